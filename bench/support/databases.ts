import { type DataSourceOptions } from 'typeorm'
import { createDatabase } from '../../test/support/databases'
import globalSetup from '../../test/support/servers/global-setup'
import globalTeardown from '../../test/support/servers/global-teardown'

/** A database to measure on. */
export interface Place {
  name: string
  options: DataSourceOptions
  close: () => Promise<void>
}

export function sqliteInMemory(): Place {
  return {
    name: 'SQLite in memory',
    options: { type: 'better-sqlite3', database: ':memory:' },
    close: () => Promise.resolve(),
  }
}

/**
 * MariaDB over loopback: the server in `TEST_MYSQL_URL`, or a private one as the tests start it, without its log
 * of all statements. A text if there is none to be had.
 */
export async function mariadb(): Promise<Place | string> {
  const own = process.env['TEST_MYSQL_URL'] === undefined
  process.env['TEST_DATABASES'] = 'mariadb'
  try {
    await globalSetup()
    const database = await createDatabase('mariadb')
    if (own) await database.rawQuery('SET GLOBAL general_log = 0')
    return {
      name: 'MariaDB over loopback',
      options: database.options,
      async close() {
        await database.drop()
        await globalTeardown()
      },
    }
  } catch (error) {
    await globalTeardown()
    return error instanceof Error ? error.message : String(error)
  }
}

/** PostgreSQL, where the environment names a server. */
export async function postgres(): Promise<Place | undefined> {
  if (process.env['TEST_POSTGRES_URL'] === undefined) return undefined
  const database = await createDatabase('postgres')
  return { name: 'PostgreSQL over loopback', options: database.options, close: () => database.drop() }
}
