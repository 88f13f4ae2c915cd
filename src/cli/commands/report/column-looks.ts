import { type QueryRunner } from 'typeorm'
import { dialectOf } from '../../../dialects'
import { KmsEncryptionError } from '../../../errors'
import { type ColumnStatus, indexLeakage, type IndexLeakage } from '../../../migration'
import { type ColumnContents, columnContents, rowsHidden } from '../../../migration/column-contents'
import { type NamedDataKey, namedDataKeys } from '../../../migration/data-keys/named-data-keys'
import { encryptedColumns, placeOf } from '../../../migration/encrypted-columns'
import { statusOf } from '../../../migration/status'
import { type ColumnLayout, readLayout } from '../../../migration/rows/column-layout'
import { dataSourceOf } from '../../../migration/target'
import { type ValueStart } from '../../../migration/value-starts'
import { valueStartsTogether } from '../../../migration/value-starts-together'
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
  readonly #counted = new Map<string, Promise<Counted>>()

  readonly at: Look = async (queryRunner, column, keys) => (await this.of(queryRunner, column, keys)).status

  of(queryRunner: QueryRunner, column: BoundColumn, keys: readonly string[]): Promise<ColumnLook> {
    let seen = this.#seen.get(column)
    if (!seen) this.#seen.set(column, (seen = this.#look(queryRunner, column, keys)))
    return seen
  }

  async #look(queryRunner: QueryRunner, column: BoundColumn, keys: readonly string[]): Promise<ColumnLook> {
    const { tablePath } = column.metadata.entityMetadata
    let counted = this.#counted.get(tablePath)
    if (!counted) this.#counted.set(tablePath, (counted = countTogether(queryRunner, tablePath)))
    return look(queryRunner, column, keys, (await counted).get(column))
  }
}

type Counted = ReadonlyMap<BoundColumn, readonly ValueStart[]>

/** What can be counted of all encrypted columns of a table in one pass over it. What cannot be read is left out. */
async function countTogether(queryRunner: QueryRunner, path: string): Promise<Counted> {
  const dataSource = dataSourceOf(queryRunner)
  const columns = encryptedColumns(dataSource).filter(
    ({ metadata }) => metadata.entityMetadata.tablePath === path,
  )
  try {
    const layouts: ColumnLayout[] = []
    for (const column of columns) layouts.push(await readLayout(queryRunner, column))
    const [first, ...others] = layouts
    if (!first || others.length === 0) return new Map()
    const counted = await valueStartsTogether(queryRunner, [first, ...others])
    return new Map(Array.from(counted, ([{ column }, starts]) => [column, starts]))
  } catch (error) {
    // Whoever looks at a column by itself meets the same fault, and can say of which column it is.
    if (error instanceof KmsEncryptionError) return new Map()
    if (dialectOf(dataSource.options).failureOf(error) === 'denied') return new Map()
    throw error
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
