import { type Language } from '../../../../src/dialects/lexical-rules'
import { mysqlLanguage } from '../../../../src/dialects/mysql/lexical-rules'
import { postgresLanguage } from '../../../../src/dialects/postgres/lexical-rules'
import { sqliteLanguage } from '../../../../src/dialects/sqlite/lexical-rules'
import { Reader } from '../../../../src/orm/statement/read'
import { type Catalogue, type CatalogueTable, type Statement } from '../../../../src/orm/statement/statement'

export const languages: Record<'mysql' | 'postgres' | 'sqlite', Language> = {
  mysql: mysqlLanguage(),
  postgres: postgresLanguage,
  sqlite: sqliteLanguage,
}

export type Database = keyof typeof languages

export const databases = Object.keys(languages) as Database[]

/** A table: `id*` is a primary key, `secret!` is encrypted. */
export function table(name: string, ...columns: string[]): CatalogueTable {
  return {
    path: name.split('.'),
    columns: columns.map((column) => ({
      name: column.replace(/[*!]$/, ''),
      isEncrypted: column.endsWith('!'),
      isPrimary: column.endsWith('*'),
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
