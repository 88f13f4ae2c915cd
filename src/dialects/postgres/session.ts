import { type QueryRunner } from 'typeorm'
import { type StatementFailure } from '../dialect'
import { failureByCode, type FailureCodes } from '../failure'
import { type KeyColumn } from '../rows/key-order'
import { changeSettings, type SessionSql } from '../session'

const SESSION: SessionSql = {
  read: (names) => `SELECT ${names.map((name) => `current_setting('${name}') AS "${name}"`).join(', ')}`,
  set: (name, value) => `SELECT set_config('${name}', '${value}', false)`,
}

export function limitLockWait(queryRunner: QueryRunner, timeout: number): Promise<() => Promise<void>> {
  return changeSettings(queryRunner, SESSION, { lock_timeout: String(timeout) })
}

/** Types whose text is the same in every session. */
const PLAIN = /^(smallint|integer|bigint|numeric.*|uuid|text|character.*|boolean|oid)$/

/** The text of dates, intervals and floating point numbers depends on the session. */
export function fixFormats(
  queryRunner: QueryRunner,
  keys: readonly KeyColumn[],
): Promise<() => Promise<void>> {
  if (keys.every(({ type }) => PLAIN.test(type))) return Promise.resolve(() => Promise.resolve())
  return changeSettings(queryRunner, SESSION, {
    datestyle: 'ISO, YMD',
    intervalstyle: 'postgres',
    timezone: 'UTC',
    extra_float_digits: '3',
    bytea_output: 'hex',
  })
}

export const FAILURES: FailureCodes = {
  '42P01': 'no-table',
  '42501': 'denied',
  '55P03': 'locked',
  '40P01': 'deadlock',
  '22001': 'value-refused',
  '22021': 'value-refused',
  '22P05': 'value-refused',
  '23514': 'constraint',
  '23505': 'constraint',
  '23503': 'constraint',
  '23502': 'constraint',
  '54000': 'constraint',
  P0001: 'constraint',
}

/** The routines of PostgreSQL that refuse what a policy is against; the code is the same as without a right. */
const POLICY = /^(check_enable_rls|ExecWithCheckOptions)$/

export function failureOf(error: unknown): StatementFailure | undefined {
  const failure = failureByCode(FAILURES, error)
  if (failure !== 'denied') return failure
  const { driverError = error } = error as { driverError?: unknown }
  const { routine } = driverError as { routine?: unknown }
  return typeof routine === 'string' && POLICY.test(routine) ? 'policy' : failure
}
