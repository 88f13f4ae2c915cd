import { type QueryRunner } from 'typeorm'
import { KmsEncryptionError } from '../../../errors'
import { type ColumnStatus, indexLeakage, type IndexLeakage } from '../../../migration'
import { type ColumnContents, columnContents, rowsHidden } from '../../../migration/column-contents'
import { CountedTogether } from '../../../migration/counted-together'
import { type NamedDataKey, namedDataKeys } from '../../../migration/data-keys/named-data-keys'
import { encryptedColumns, placeOf } from '../../../migration/encrypted-columns'
import { statusOf } from '../../../migration/status'
import { dataSourceOf } from '../../../migration/target'
import { type ValueStart } from '../../../migration/value-starts'
import { type BoundColumn } from '../../../orm/bound-column'
import { type Look } from '../doctor/database'

/** What was seen of one column. */
export interface ColumnLook {
  contents: ColumnContents
  status: ColumnStatus
  /** The data keys that values name, by their id in hexadecimal. */
  dataKeys: ReadonlyMap<string, NamedDataKey>
  /** What its blind indexes show; none if the database lacks a column of them. */
  leakage: readonly IndexLeakage[]
}

/** Looks at each column once, however often it is asked: the database reads the whole table for it. */
export class ColumnLooks {
  readonly #seen = new Map<BoundColumn, Promise<ColumnLook>>()
  #counted: CountedTogether | undefined

  readonly at: Look = async (queryRunner, column, keys) => (await this.of(queryRunner, column, keys)).status

  of(queryRunner: QueryRunner, column: BoundColumn, keys: readonly string[]): Promise<ColumnLook> {
    let seen = this.#seen.get(column)
    if (!seen) this.#seen.set(column, (seen = this.#look(queryRunner, column, keys)))
    return seen
  }

  async #look(queryRunner: QueryRunner, column: BoundColumn, keys: readonly string[]): Promise<ColumnLook> {
    this.#counted ??= new CountedTogether(encryptedColumns(dataSourceOf(queryRunner)))
    return look(queryRunner, column, keys, await this.#counted.of(queryRunner, column))
  }
}

/** Why a column, or some of its rows, could not be looked at; `undefined` if all was seen. */
export function unseenIn(seen: ColumnLook | KmsEncryptionError): string | undefined {
  if (seen instanceof KmsEncryptionError) return seen.reason
  const { hiddenBy, layout } = seen.contents
  return hiddenBy && rowsHidden(layout.path, hiddenBy)
}

async function look(
  queryRunner: QueryRunner,
  column: BoundColumn,
  keys: readonly string[],
  counted: readonly ValueStart[] | undefined,
): Promise<ColumnLook> {
  const contents = await columnContents(queryRunner, column, counted)
  const starts = [...contents.current, ...(contents.history ?? [])]
  const dataKeys = await namedDataKeys(dataSourceOf(queryRunner), starts)
  return {
    contents,
    dataKeys,
    status: statusOf(column, contents, keys, dataKeys),
    leakage: await leakageOf(queryRunner, column, contents),
  }
}

async function leakageOf(
  queryRunner: QueryRunner,
  column: BoundColumn,
  { indexes }: ColumnContents,
): Promise<IndexLeakage[]> {
  if (indexes.length === 0 || indexes.some(({ missing }) => missing === undefined)) return []
  const { target, propertyPath } = placeOf(column)
  return indexLeakage(queryRunner, target, propertyPath)
}
