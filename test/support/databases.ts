import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { DataSourceOptions } from 'typeorm'
import { createMysqlDatabase } from './databases/mysql'
import type * as Pglite from './databases/pglite'
import { createPostgresDatabase } from './databases/postgres'
import { createSqliteDatabase } from './databases/sqlite'
import type * as Sqljs from './databases/sqljs'
import { databaseNames, selectedDatabases, standInFor, type DatabaseName, type StandIn } from './selection'

const load = createRequire(__filename)

export type { DatabaseName }

export type Row = Record<string, unknown>

/** A fresh, empty database of its own on one of the servers. */
export interface TestDatabase {
  readonly name: DatabaseName
  /** What takes its place. */
  readonly standIn?: StandIn
  /** To be spread into a DataSource's options: the connection, and nothing else. */
  readonly options: DataSourceOptions
  drop(): Promise<void>
  /**
   * Runs SQL through the driver itself, past TypeORM: for looking at the bytes of rows.
   * Parameters are written `?` on every database.
   */
  rawQuery(sql: string, params?: unknown[]): Promise<Row[]>
  quote(identifier: string): string
  /** The whole files of SQLite: pages that were freed, and the journal, keep what no SELECT shows any more. */
  files?(): Buffer[]
}

/** TypeORM's driver for sql.js gives all rows of one INSERT the id of the last. */
export function tellsEachId({ standIn }: TestDatabase): boolean {
  return standIn !== 'sqljs'
}

/** SQLite has no streams, and `typeorm-pglite` knows nothing of them: the driver ends the process. */
export function hasStreams({ name, standIn }: TestDatabase): boolean {
  return name !== 'sqlite' && standIn !== 'pglite'
}

/** Why tests are left out on a stand-in: to be given as `without`. */
export const NEEDS_SERVER = { pglite: 'there is no server', sqljs: 'there is no server' } as const
export const NEEDS_ROLES = { pglite: 'all DataSources have one session, and so one role' } as const

/** For a part of a file: true on a stand-in that has a reason, which is printed. */
export function isWithout({ standIn }: TestDatabase, reasons: DatabaseChoice['without']): boolean {
  const reason = standIn && reasons?.[standIn]
  if (reason === undefined) return false
  process.stdout.write(`${expect.getState().currentTestName}: left out on ${standIn}: ${reason}.\n`)
  return true
}

export interface DatabaseChoice {
  /** TypeORM's name for the driver on MariaDB. */
  readonly mariadbType?: 'mysql' | 'mariadb'
  /** For what only some databases have, such as a server to talk to. */
  readonly databases?: readonly DatabaseName[]
  /** Why it cannot run on a stand-in, which is printed. */
  readonly without?: Partial<Record<StandIn, string>>
}

/** The TypeORM under test, e.g. `1.1.1`: Jest runs the integration tests once for each supported major. */
export const typeormVersion: string = (
  JSON.parse(readFileSync(join(dirname(require.resolve('typeorm')), 'package.json'), 'utf8')) as {
    version: string
  }
).version

/**
 * `it` for tests that start processes: those load the TypeORM that is installed, so they run once, and elsewhere the
 * reason is printed.
 */
export function itWithInstalledTypeorm(what: string): typeof it {
  const alone = databaseNames.map(standInFor).find((standIn) => standIn !== undefined)
  if (alone) {
    process.stdout.write(`${what} is left out here: ${alone} is in the memory of one process.\n`)
    return it.skip
  }
  if (typeormVersion.startsWith('1.')) return it
  process.stdout.write(`${what} is left out here: it runs in a process with the installed TypeORM 1.x.\n`)
  return it.skip
}

export function createDatabase(name: DatabaseName, choice: DatabaseChoice = {}): Promise<TestDatabase> {
  // They take time to load, and are seldom asked for.
  const standIn = standInFor(name)
  if (standIn === 'sqljs') return (load('./databases/sqljs') as typeof Sqljs).createSqljsDatabase()
  if (standIn === 'pglite') return (load('./databases/pglite') as typeof Pglite).createPgliteDatabase()
  const database = `test_${process.pid}_${randomBytes(6).toString('hex')}`
  if (name === 'mariadb') return createMysqlDatabase(database, choice.mariadbType ?? 'mysql')
  if (name === 'postgres') return createPostgresDatabase(database)
  return createSqliteDatabase()
}

/** One of the databases for each title, if `TEST_OLDER_SPREAD` is set and TypeORM is not the newest major. */
function drawn(title: string, databases: readonly DatabaseName[]): readonly DatabaseName[] {
  if (!process.env['TEST_OLDER_SPREAD'] || typeormVersion.startsWith('1.')) return databases
  const place = createHash('sha256').update(title).digest().readUInt32BE() % databases.length
  return databases.slice(place, place + 1)
}

/** Runs the tests of `body` on every database; `db()` gives the database, from `beforeAll` on. */
export function describeDatabases(
  title: string,
  body: (db: () => TestDatabase) => void,
  choice: DatabaseChoice = {},
): void {
  const selected = selectedDatabases()
  describe(title, () => {
    for (const name of drawn(title, choice.databases ?? databaseNames)) {
      const standIn = standInFor(name)
      const reason = standIn && choice.without?.[standIn]
      if (reason !== undefined) process.stdout.write(`${title}: left out on ${standIn}: ${reason}.\n`)
      const describeOne = selected.includes(name) && reason === undefined ? describe : describe.skip
      describeOne(`on ${standIn ?? name}`, () => {
        let database: TestDatabase | undefined

        beforeAll(async () => {
          database = await createDatabase(name, choice)
        })

        afterAll(() => database?.drop())

        body(() => {
          if (!database)
            throw new Error('The database exists from beforeAll on: call db() in a hook or a test')
          return database
        })
      })
    }
  })
}
