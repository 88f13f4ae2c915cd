import { type BlindIndex } from './blind-index'

/**
 * Which indexes every row with a value has. Looked up once: from then on this process writes both, and so does every
 * other that declares the index.
 */
export class Completeness {
  readonly #complete = new Set<BlindIndex>()

  constructor(private readonly escape: (name: string) => string) {}

  has(index: BlindIndex): boolean {
    return this.#complete.has(index)
  }

  /** Looks for a row that has a value and no index. */
  async check(index: BlindIndex, query: (sql: string) => Promise<unknown>): Promise<boolean> {
    const { metadata, column } = index
    const table = metadata.entityMetadata.tablePath.split('.').map(this.escape).join('.')
    const value = this.escape(column.metadata.databaseName)
    const own = this.escape(metadata.databaseName)
    const rows = await query(
      `SELECT 1 AS n FROM ${table} WHERE ${own} IS NULL AND ${value} IS NOT NULL LIMIT 1`,
    )
    const isComplete = Array.isArray(rows) && rows.length === 0
    if (isComplete) this.#complete.add(index)
    return isComplete
  }
}
