import { type DataSourceOptions } from 'typeorm'

/** The database that DATABASE_URL names; without one, SQLite in memory. */
export function databaseOptions(url: string | undefined): DataSourceOptions {
  if (url === undefined) return { type: 'better-sqlite3', database: ':memory:' }
  return { type: url.startsWith('postgres') ? 'postgres' : 'mysql', url }
}
