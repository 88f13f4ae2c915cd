import { type QueryRunner } from 'typeorm'
import { outsideOfContexts } from '../../access'
import { IndexWrongError, SearchIncompleteError } from '../../errors'
import { type EndOfTransaction } from '../query/end-of-transaction'
import { type BlindIndex } from './blind-index'
import { columnsOfIndex, indexOfRow, textOf } from './index-of-row'
import { escapedPath } from '../../dialects/escaped-path'

/** Over which connection a look is taken. */
export interface Looker {
  readonly query: (sql: string, parameters?: readonly unknown[]) => Promise<unknown>
  readonly queryRunner: Pick<QueryRunner, 'isTransactionActive'>
}
type Row = Record<string, unknown>

/** Rows by which an index is tried out. */
const SAMPLE = 5

/**
 * Which indexes every row with a value has, under the key and the functions of this process. Looked up once: from then
 * on this process writes both, and so does every other that declares the index.
 */
export class Completeness {
  readonly #complete = new Set<BlindIndex>()
  /** What was seen in an open transaction, which may be undone. */
  readonly #tentative = new WeakMap<Looker['queryRunner'], Set<BlindIndex>>()

  constructor(private readonly escape: (name: string) => string) {}

  has(index: BlindIndex, { queryRunner }: Looker): boolean {
    return this.#complete.has(index) || this.#tentative.get(queryRunner)?.has(index) === true
  }

  /** True if a transaction's end matters. */
  waitsFor(queryRunner: Looker['queryRunner']): boolean {
    return this.#tentative.has(queryRunner)
  }

  /** A transaction was ended: what was seen in it holds if all of it was committed. */
  settle(queryRunner: Looker['queryRunner'], { isCommit, isWhole }: EndOfTransaction): void {
    if (isCommit && !isWhole) return
    if (isCommit) for (const index of this.#tentative.get(queryRunner) ?? []) this.#complete.add(index)
    this.#tentative.delete(queryRunner)
  }

  /**
   * Looks for a row that has a value and no index, and whether some rows have the index that they would be searched by.
   * Throws `SearchIncompleteError`, `IndexWrongError`: otherwise a search would find nothing, and say nothing.
   */
  check(index: BlindIndex, looker: Looker): Promise<void> {
    // It is taken for everybody, whoever asks first.
    return outsideOfContexts(() => this.#look(index, looker))
  }

  async #look(index: BlindIndex, { query, queryRunner }: Looker): Promise<void> {
    const { metadata, column } = index
    const table = escapedPath(metadata.entityMetadata.tablePath, this.escape)
    const own = this.escape(metadata.databaseName)
    const hasValues = index.members.map((each) => `${this.escape(each.metadata.databaseName)} IS NOT NULL`)
    const left = await query(
      `SELECT 1 AS n FROM ${table} WHERE ${own} IS NULL AND ${hasValues.join(' AND ')} LIMIT 1`,
    )
    if (!Array.isArray(left) || left.length > 0) {
      throw column.error(
        SearchIncompleteError,
        `rows of the table have a value and no index yet (${metadata.databaseName}), so that a search would miss them. Fill it: typeorm-kms encrypt -d … --columns ${column.name}. Until then, declare the index with filling: true in every process that writes. See docs/search.md.`,
      )
    }
    await this.#tryOut(index, (names) =>
      query(`SELECT ${names.join(', ')} FROM ${table} WHERE ${own} IS NOT NULL LIMIT ${SAMPLE}`),
    )
    this.#remember(index, queryRunner)
  }

  #remember(index: BlindIndex, queryRunner: Looker['queryRunner']): void {
    if (!queryRunner.isTransactionActive) {
      this.#complete.add(index)
      return
    }
    const seen = this.#tentative.get(queryRunner) ?? new Set<BlindIndex>()
    this.#tentative.set(queryRunner, seen.add(index))
  }

  /** Another index key, another `normalize` and a renamed table or column make all indexes wrong. */
  async #tryOut(index: BlindIndex, select: (names: string[]) => Promise<unknown>): Promise<void> {
    const names = columnsOfIndex(index)
    const rows = (await select([
      `${this.escape(index.metadata.databaseName)} AS _i`,
      ...names.map((name, at) => `${this.escape(name)} AS _${at}`),
    ])) as Row[]
    for (const row of rows) {
      const expected = await indexOfRow(index, (name) => row[`_${names.indexOf(name)}`])
      if (typeof expected !== 'string' && !Buffer.isBuffer(expected)) continue
      if (textOf(expected) !== textOf(row['_i'])) throw otherIndex(index)
    }
  }
}

function otherIndex({ column, metadata }: BlindIndex): Error {
  return column.error(
    IndexWrongError,
    `rows of the table have another index (${metadata.databaseName}) than their value has now, so that a search would miss them. Was the index key changed or lost, or normalize or from, or was the table or the column renamed? Put it back (for names: boundTo), or give the index another name and fill that. If only some rows are wrong, typeorm-kms verify names them, and typeorm-kms encrypt --rebuild-indexes mends them.`,
  )
}
