import { type StatementFailure } from './dialect'

/** What the codes of a driver's errors mean. */
export type FailureCodes = Readonly<Record<string, StatementFailure>>

/** Looks up the code of a driver's error, which TypeORM wraps. */
export function failureByCode(codes: FailureCodes, error: unknown): StatementFailure | undefined {
  const { code, driverError } = (error ?? {}) as { code?: unknown; driverError?: { code?: unknown } }
  const found = driverError?.code ?? code
  return typeof found === 'string' && Object.hasOwn(codes, found) ? codes[found] : undefined
}

/** Classes of SQLSTATE in whose messages no value is quoted: connections, transactions, locks, resources, the server. */
const OF_NO_VALUE = /^(?:08|25|40|53|55|57|58|70)/
/** Codes of errors about a statement, where the driver gives no SQLSTATE. */
const OF_STATEMENT = /^(?:ER_|SQLITE_(?:ERROR|CONSTRAINT|MISMATCH))/

interface DriverError {
  code?: unknown
  /** Of `pg`: then the code is a SQLSTATE. */
  severity?: unknown
  sqlState?: unknown
}

/** True if the message of a driver's error may quote a value: `Duplicate entry 'x' for key …`, `invalid input syntax for type integer: "x"`. */
export function mayQuoteValue(error: unknown): boolean {
  const { code, severity, sqlState } = driverErrorOf(error)
  const state = severity === undefined ? sqlState : code
  if (typeof state === 'string' && state !== '') return !OF_NO_VALUE.test(state)
  return typeof code === 'string' && OF_STATEMENT.test(code)
}

/** The code of a driver's error, for people. */
export function codeOf(error: unknown): string {
  const { code, sqlState } = driverErrorOf(error)
  return String(code ?? sqlState)
}

function driverErrorOf(error: unknown): DriverError {
  const { driverError = error } = (error ?? {}) as { driverError?: unknown }
  return driverError ?? {}
}
