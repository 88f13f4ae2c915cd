import { type QueryRunner } from 'typeorm'
import { NotRepresentableError, TableLockedError } from '../../errors'
import { type BoundColumn } from '../../orm/bound-column'
import { type Database } from './column-layout'

type Settings = Readonly<Record<string, string>>

/**
 * Makes the connection wait no longer than `timeout` milliseconds for somebody else's lock, where the server's
 * default is minutes or for ever. Returns what puts the connection back as it was.
 */
export async function limitLockWait(
  queryRunner: QueryRunner,
  database: Database,
  timeout: number,
): Promise<() => Promise<void>> {
  const [before] = (await queryRunner.query(READ[database])) as [Settings]
  const seconds = String(Math.max(1, Math.ceil(timeout / 1_000)))
  const limited: Record<Database, Settings> = {
    postgres: { lock_timeout: String(timeout) },
    mysql: { innodb_lock_wait_timeout: seconds, lock_wait_timeout: seconds },
    sqlite: { timeout: String(timeout) },
  }
  await set(queryRunner, database, limited[database])
  return () => set(queryRunner, database, before).catch(() => undefined)
}

const READ = {
  postgres: "SELECT current_setting('lock_timeout') AS lock_timeout",
  mysql:
    'SELECT @@SESSION.innodb_lock_wait_timeout AS innodb_lock_wait_timeout, @@SESSION.lock_wait_timeout AS lock_wait_timeout',
  sqlite: 'PRAGMA busy_timeout',
} as const

async function set(queryRunner: QueryRunner, database: Database, settings: Settings): Promise<void> {
  for (const [name, value] of Object.entries(settings)) {
    await queryRunner.query(setSql(database, name, value))
  }
}

function setSql(database: Database, name: string, value: string): string {
  switch (database) {
    case 'postgres':
      return `SELECT set_config('${name}', '${value}', false)`
    case 'mysql':
      return `SET SESSION ${name} = ${value}`
    case 'sqlite':
      return `PRAGMA busy_timeout = ${value}`
  }
}

const LOCKED = new Set([
  'ER_LOCK_WAIT_TIMEOUT',
  '55P03',
  'SQLITE_BUSY',
  'SQLITE_LOCKED',
  'SQLITE_BUSY_SNAPSHOT',
])
const DEADLOCK = new Set(['ER_LOCK_DEADLOCK', '40P01', 'ER_CHECKREAD'])

/** True where the server gave up on one of two transactions that waited for each other; it can be repeated. */
export function isDeadlock(error: unknown): boolean {
  return DEADLOCK.has(driverCode(error))
}

/** Too long, or with a character that the column's character set lacks. */
const TOO_MUCH = new Set([
  'ER_DATA_TOO_LONG',
  'ER_TRUNCATED_WRONG_VALUE_FOR_FIELD',
  '22001',
  '22021',
  '22P05',
])

/** True where the column cannot hold a value of the statement. */
export function isRefusedValue(error: unknown): boolean {
  return TOO_MUCH.has(driverCode(error))
}

/** What a statement failed with, named if it was a lock or a value that the column cannot hold. */
export function explained(error: unknown, column: BoundColumn): unknown {
  if (isRefusedValue(error)) {
    return column.error(
      NotRepresentableError,
      'the database refuses the value: the column is too short for it, or its character set lacks something. Widen the column.',
      error,
    )
  }
  if (!LOCKED.has(driverCode(error))) return error
  return column.error(
    TableLockedError,
    'another session holds a lock on the table or on a row of it. Wait until it ends (MySQL: SHOW PROCESSLIST; PostgreSQL: pg_stat_activity; SQLite: another process that writes) or raise lockTimeout.',
    error,
  )
}

function driverCode(error: unknown): string {
  const { code, driverError } = (error ?? {}) as { code?: unknown; driverError?: { code?: unknown } }
  const found = driverError?.code ?? code
  return typeof found === 'string' ? found : ''
}
