import { type DataSource } from 'typeorm'
import { type Dialect, dialectOf } from '../../dialects'
import { type ColumnKind } from '../../dialects/bytes-sql'
import { kindOf } from '../../dialects/column-layout'
import { type Queries } from '../../dialects/dialect'
import { KeyTableInUseError } from '../../errors'
import { type BoundColumn } from '../bound-column'
import { boundColumns } from '../bound-columns'
import { tokenise } from '../statement/lexer'
import { Kind, type Tokens } from '../statement/tokens'
import { type KeyTable } from './key-table'
import { escapedPath } from '../../dialects/escaped-path'

/** What ends the part of an ALTER TABLE or a DELETE that names the table. */
const END_OF_TARGET = new Set(['add', 'drop', 'modify', 'change', 'alter', 'rename', 'set', 'where', 'using'])
/** What an ALTER TABLE does to rows or columns. */
const ALTERING = new Set(['drop', 'modify', 'change', 'alter', 'rename'])

/**
 * Stands before statements that empty, drop or change the key table: while there are values under its keys, they would
 * be lost. Of statements that take the values with them, nothing is left.
 */
export class EmptyingGuard {
  readonly #dataSource: DataSource
  readonly #dialect: Dialect
  readonly #table: KeyTable

  constructor(dataSource: DataSource, table: KeyTable) {
    this.#dataSource = dataSource
    this.#dialect = dialectOf(dataSource.options)
    this.#table = table
  }

  /** True if the text may be such a statement. This runs for each statement. */
  concerns(sql: string): boolean {
    return sql.includes(this.#table.settings.table) || /^\s*drop\s+(?:schema|database)\b/i.test(sql)
  }

  /**
   * Throws `KeyTableInUseError`. Returns true if the statement empties or drops the table, so that the keys in memory
   * are good for nothing when it is done.
   */
  async check(sql: string, queries: Queries): Promise<boolean> {
    const emptying = this.#emptying(sql)
    if (!emptying) return /^\s*drop\s+(?:schema|database)\b/i.test(sql)
    const column = await this.#valuesLeft(emptying, queries)
    if (!column) return true
    throw new KeyTableInUseError(
      `this statement would empty, drop or change the table ${this.#table.name}, and the values of ${column.name} are encrypted under its data keys: they would be lost for good. Nothing was sent. Delete the values first (clear() of their entities before that of the key table), or move them to data keys of their own: dataKeys: 'inline', then typeorm-kms rotate.`,
    )
  }

  /** The names in the text, if one of its statements empties, drops or changes the table. */
  #emptying(sql: string): Set<string> | undefined {
    const [rules] = this.#dialect.language(this.#dataSource.driver).readings(sql)
    if (!rules) return undefined
    const tokens = tokenise(sql, rules)
    const table = this.#table.settings.table.toLowerCase()
    let start = 0
    for (let end = 0; end <= tokens.length; end++) {
      if (end < tokens.length && tokens.written(end) !== ';') continue
      const words = wordsOf(tokens, start, end)
      start = end + 1
      const names = targetsOf(words)
      if (names?.some((name) => name === table || name.startsWith(`${table}_`))) return new Set(names)
    }
    return undefined
  }

  /** A column with values of suite 4, outside of these tables. */
  async #valuesLeft(emptied: ReadonlySet<string>, queries: Queries): Promise<BoundColumn | undefined> {
    const seen = new Set<string>()
    for (const metadata of this.#dataSource.entityMetadatas) {
      const columns = metadata.tableType === 'view' ? [] : boundColumns(metadata)
      if (columns.length === 0 || emptied.has(metadata.tableName.toLowerCase())) continue
      const escape = (name: string): string => this.#dataSource.driver.escape(name)
      const sql = escapedPath(metadata.tablePath, escape)
      const table = { path: metadata.tablePath, sql, escape }
      const names = columns.map((column) => column.metadata.databaseName)
      // Before its migration, or after that was taken back, the database has a column otherwise, or not at all.
      const found = await this.#dialect.rowColumns(queries, table, names)
      for (const column of columns) {
        const kind = kindOf(found.get(column.metadata.databaseName)?.type ?? '')
        if (kind === 'other' || seen.has(column.cell)) continue
        seen.add(column.cell)
        const rows = await queries.query(this.#valuesSql(column, sql, kind))
        if (Array.isArray(rows) && rows.length > 0) return column
      }
    }
    return undefined
  }

  #valuesSql({ metadata }: BoundColumn, table: string, kind: ColumnKind): string {
    const name = this.#dataSource.driver.escape(metadata.databaseName)
    const bytes = this.#dialect.bytesSql({ kind, name })
    const begins = (hex: string): string =>
      `SUBSTR(${bytes}, 1, ${hex.length / 2}) = ${this.#dialect.bytesLiteral(hex)}`
    // Bytes, or the first digits of base64.
    return `SELECT 1 AS n FROM ${table} WHERE ${begins('c10104')} OR ${begins('77514545')} LIMIT 1`
  }
}

function wordsOf(tokens: Tokens, start: number, end: number): string[] {
  const words: string[] = []
  for (let index = start; index < end; index++) {
    const kind = tokens.kind(index)
    if (kind === Kind.Word) words.push(tokens.written(index).toLowerCase())
    else if (kind === Kind.Name) words.push(tokens.written(index).slice(1, -1).toLowerCase())
  }
  return words
}

/** The names that a statement empties, drops or changes; `undefined` for any other statement. */
function targetsOf(words: readonly string[]): string[] | undefined {
  const [verb, ...others] = words
  switch (verb) {
    case 'drop':
    case 'truncate':
    case 'rename':
      return others
    case 'delete':
    case 'alter': {
      const end = others.findIndex((word) => END_OF_TARGET.has(word))
      const target = end < 0 ? others : others.slice(0, end)
      return verb === 'delete' || others.slice(end).some((word) => ALTERING.has(word)) ? target : undefined
    }
    default:
      return undefined
  }
}
