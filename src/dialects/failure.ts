import { type StatementFailure } from './dialect'

/** What the codes of a driver's errors mean. */
export type FailureCodes = Readonly<Record<string, StatementFailure>>

/** Looks up the code of a driver's error, which TypeORM wraps. */
export function failureByCode(codes: FailureCodes, error: unknown): StatementFailure | undefined {
  const { code, driverError } = (error ?? {}) as { code?: unknown; driverError?: { code?: unknown } }
  const found = driverError?.code ?? code
  return typeof found === 'string' && Object.hasOwn(codes, found) ? codes[found] : undefined
}
