import { type ValueTypeName } from '../../column/types/value-type'

/** As TypeORM writes a date for SQLite: in UTC, with milliseconds. */
const DATE = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3})$/

/**
 * Of `:name` in a condition that is written as text, TypeORM gives SQLite 1 or 0 for a boolean, and text for a date.
 *
 * Source: `AbstractSqliteDriver.escapeQueryWithParameters` of TypeORM.
 */
export function givenValue(type: ValueTypeName, parameter: unknown): unknown {
  if (type === 'boolean' && (parameter === 0 || parameter === 1)) return parameter === 1
  const [, day, time] = (type === 'date' && typeof parameter === 'string' && DATE.exec(parameter)) || []
  return day === undefined ? parameter : new Date(`${day}T${time}Z`)
}
