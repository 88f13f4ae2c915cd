import { relative } from 'node:path'
import { type DataSource, type DataSourceOptions } from 'typeorm'
import { databaseFile } from './files'
import { isCompiled, sqlite } from './sqlite'

const TYPES = {
  'mysql:': 'mysql',
  'mariadb:': 'mariadb',
  'postgres:': 'postgres',
  'postgresql:': 'postgres',
} as const

/** The database that `DATABASE_URL` names, else a SQLite file that needs no server. */
export function databaseOptions(): DataSourceOptions {
  const url = process.env['DATABASE_URL']
  if (!url) return sqlite
  const type = Object.entries(TYPES).find(([protocol]) => url.startsWith(protocol))?.[1]
  if (!type) throw new Error('DATABASE_URL must begin with mysql://, mariadb:// or postgres://')
  return { type, url }
}

export function isSqlite(): boolean {
  return databaseOptions() === sqlite
}

/** For people: which database this is, without its password. */
export function databaseName(): string {
  if (!process.env['DATABASE_URL']) {
    const by = isCompiled ? '' : ' by sql.js (better-sqlite3 cannot be loaded)'
    return `SQLite${by}, ${relative('', databaseFile)}`
  }
  const { protocol, username, host, pathname } = new URL(process.env['DATABASE_URL'])
  return `${protocol}//${username}@${host}${pathname}`
}

/** Makes the sample's tables anew. Other tables in the database stay as they are. */
export async function createTables(dataSource: DataSource): Promise<void> {
  await dropTables(dataSource)
  await dataSource.synchronize()
}

/** Drops the sample's tables, and no others. */
export async function dropTables(dataSource: DataSource): Promise<void> {
  const queryRunner = dataSource.createQueryRunner()
  try {
    for (const { tableName } of dataSource.entityMetadatas) await queryRunner.dropTable(tableName, true)
  } finally {
    await queryRunner.release()
  }
}
