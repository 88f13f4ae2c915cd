import { type QueryRunner } from 'typeorm'
import { type Queries } from '../dialect'
import { failureByCode, type FailureCodes } from '../failure'
import { type KeyColumn } from '../rows/key-order'
import { changeSettings, type SessionSql } from '../session'

const SESSION: SessionSql = {
  read: (names) => `SELECT ${names.map((name) => `@@SESSION.${name} AS ${name}`).join(', ')}`,
  set: (name, value) => `SET SESSION ${name} = ${/^\d+$/.test(value) ? value : `'${value}'`}`,
}

export function limitLockWait(queryRunner: QueryRunner, timeout: number): Promise<() => Promise<void>> {
  const seconds = String(Math.max(1, Math.ceil(timeout / 1_000)))
  return changeSettings(queryRunner, SESSION, {
    innodb_lock_wait_timeout: seconds,
    lock_wait_timeout: seconds,
  })
}

/** Set in the status that the server sends with each answer: https://dev.mysql.com/doc/dev/mysql-server/latest/mysql__com_8h.html#a1d854e841086925be1883e4d7b4e8cad */
const SERVER_STATUS_IN_TRANS = 1

export async function isInTransaction(queries: Queries): Promise<boolean | undefined> {
  const { serverStatus } = (await queries.query('DO 0')) as { serverStatus?: number }
  return serverStatus === undefined ? undefined : (serverStatus & SERVER_STATUS_IN_TRANS) !== 0
}

/** Bytes of a text that are compared where rows are sorted without an index: the index compares at most 3,072. */
const SORTED_BYTES = String(2 ** 14)

/** A `timestamp` is shown in the session's time zone, where an hour of autumn comes twice. */
export function fixFormats(
  queryRunner: QueryRunner,
  keys: readonly KeyColumn[],
): Promise<() => Promise<void>> {
  const hasType = (types: RegExp): boolean => keys.some(({ type }) => types.test(type))
  return changeSettings(queryRunner, SESSION, {
    ...(hasType(/^timestamp$/) && { time_zone: '+00:00' }),
    ...(hasType(/char|text|binary|blob/) && { max_sort_length: SORTED_BYTES }),
  })
}

/** Outside of strict mode. */
export async function cutsOffValues(queryRunner: QueryRunner): Promise<boolean> {
  const [row] = (await queryRunner.query('SELECT @@SESSION.sql_mode AS mode')) as { mode: string }[]
  return !/STRICT_(TRANS|ALL)_TABLES/.test(row?.mode ?? '')
}

export const FAILURES: FailureCodes = {
  ER_LOCK_WAIT_TIMEOUT: 'locked',
  ER_LOCK_DEADLOCK: 'deadlock',
  ER_CHECKREAD: 'deadlock',
  ER_DATA_TOO_LONG: 'value-refused',
  ER_TRUNCATED_WRONG_VALUE_FOR_FIELD: 'value-refused',
  ER_CONSTRAINT_FAILED: 'constraint',
  // What mysql2 calls MariaDB's ER_CONSTRAINT_FAILED, whose number means something else to MySQL.
  ER_INNODB_AUTOEXTEND_SIZE_OUT_OF_RANGE: 'constraint',
  ER_CHECK_CONSTRAINT_VIOLATED: 'constraint',
  ER_TABLEACCESS_DENIED_ERROR: 'denied',
  ER_COLUMNACCESS_DENIED_ERROR: 'denied',
  ER_DBACCESS_DENIED_ERROR: 'denied',
  ER_DUP_ENTRY: 'constraint',
  ER_TOO_LONG_KEY: 'constraint',
  ER_SIGNAL_EXCEPTION: 'constraint',
  ER_NO_REFERENCED_ROW_2: 'constraint',
  ER_ROW_IS_REFERENCED_2: 'constraint',
  ER_INVALID_JSON_TEXT: 'constraint',
}

export const failureOf = failureByCode.bind(undefined, FAILURES)
