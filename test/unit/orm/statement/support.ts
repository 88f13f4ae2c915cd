import { type Language } from '../../../../src/dialects/lexical-rules'
import { mysqlLanguage } from '../../../../src/dialects/mysql/lexical-rules'
import { postgresLanguage } from '../../../../src/dialects/postgres/lexical-rules'
import { sqliteLanguage } from '../../../../src/dialects/sqlite/lexical-rules'
import { Reader } from '../../../../src/orm/statement/read'
import {
  type AssignedValue,
  type Catalogue,
  type CatalogueTable,
  type Insert,
  type RowRun,
  type Statement,
} from '../../../../src/orm/statement/statement'

export const languages: Record<'mysql' | 'postgres' | 'sqlite', Language> = {
  mysql: mysqlLanguage(),
  postgres: postgresLanguage,
  sqlite: sqliteLanguage,
}

export type Database = keyof typeof languages

export const databases = Object.keys(languages) as Database[]

/** A table: `id*` is a primary key, `secret!` is encrypted, `?` is searched and `@` is located. */
export function table(name: string, ...columns: string[]): CatalogueTable {
  return {
    path: name.split('.'),
    columns: columns.map((column) => ({
      name: column.replace(/[*!?@]+$/, ''),
      isEncrypted: column.includes('!'),
      isPrimary: column.includes('*'),
      isSearched: column.includes('?'),
      isLocated: column.includes('@'),
    })),
  }
}

const catalogue: Catalogue = {
  defaults: ['public', 'main', 'app'],
  tables: [
    table('usr', 'id*', 'name', 'score', 'secret!', 'raw_secret!'),
    table('plain', 'id*', 'secret', 'name', 'usr'),
    table('legacy.member', 'id*', 'secret'),
    table('member', 'id*', 'secret!'),
    table('pair', 'a*', 'b*', 'secret!'),
    table('accents', 'id*', 'sÉcret!'),
  ],
}

export function readerOf(database: Database, tables: Catalogue = catalogue): Reader {
  return new Reader(languages[database], tables)
}

/** SQL with `"names"` and `?`, as the database writes it. */
export function inDialect(database: Database, sql: string): string {
  if (database === 'mysql') return sql.replaceAll('"', '`')
  let parameters = 0
  return database === 'postgres' ? sql.replace(/\?/g, () => `$${++parameters}`) : sql
}

/** `row.column place` of each use of an encrypted column. */
export function placesIn(statement: Statement): string[] {
  if (statement.unreadable !== undefined) throw new Error(statement.unreadable)
  return statement.uses.map(({ source, place, isRaw }) => {
    const row = source.row === '' ? '?' : source.row
    return `${row}.${source.column.name} ${place}${isRaw ? ' raw' : ''}`
  })
}

/** The text of each use of an encrypted column, what is done there, and the function around it: `secret computed by F`. */
export function usesIn(sql: string, { unreadable, uses }: Statement): string[] {
  if (unreadable !== undefined) throw new Error(unreadable)
  return uses.map(({ place, called, start, end }) => {
    const by = called === undefined ? '' : ` by ${called}`
    return `${sql.slice(start, end)} ${place}${by}`
  })
}

/** `?0` for a parameter, a whole number as it is written, NULL, DEFAULT, `= name` for what is taken over, or `…`. */
export function valueIn(sql: string, value: AssignedValue): string {
  switch (value.kind) {
    case 'placeholder':
      return `?${value.index}`
    case 'integer':
      return value.spans.map((span) => sql.slice(...span)).join('/')
    case 'itself':
      return `= ${sql.slice(value.nameStart, value.nameEnd)}`
    case 'expression':
      return '…'
    default:
      return value.kind.toUpperCase()
  }
}

/** What an INSERT says, part by part. */
export function insertIn(sql: string, insert: Insert): Record<string, unknown> {
  const { table: target, columns, hasColumnList, runs, isFromQuery, conflict, mayBeIgnored } = insert
  return {
    into: target?.path.join('.'),
    ...(hasColumnList ? { columns: columns.map(({ name }) => name) } : {}),
    ...(runs.length === 0 ? {} : { rows: runs.map((run) => rowsIn(sql, run)) }),
    ...(isFromQuery ? { isFromQuery } : {}),
    ...(conflict
      ? {
          conflict: conflict.columns ?? 'some key',
          ...(conflict.columns || conflict.spans.length > 0
            ? { at: conflict.spans.map((span) => sql.slice(...span)) }
            : {}),
        }
      : {}),
    ...(mayBeIgnored ? { mayBeIgnored } : {}),
  }
}

function rowsIn(sql: string, { rows, cells, stride }: RowRun): string {
  const times = rows === 1 ? '' : `, ${rows} times, each ${stride} further`
  return `${cells.map((cell) => valueIn(sql, cell)).join(' ')}${times}`
}

/** A statement with `"names"` and `?`, as the database writes it and as it is read. */
export function readIn(database: Database, sql: string): { text: string; statement: Statement } {
  const text = inDialect(database, sql)
  const [statement] = readerOf(database).read(text)
  if (statement.unreadable !== undefined) throw new Error(statement.unreadable)
  return { text, statement }
}

/** The text with `‸` where the reader has no rule for what stands there. */
export function unreadableIn(database: Database, sql: string): string | undefined {
  const text = inDialect(database, sql)
  const { unreadable } = readerOf(database).read(text)[0]
  const at = /^no rule for what stands at character (\d+)$/.exec(unreadable ?? '')?.[1]
  return at === undefined ? unreadable : `${text.slice(0, Number(at))}‸${text.slice(Number(at))}`
}
