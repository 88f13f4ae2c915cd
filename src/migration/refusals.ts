import { ColumnTypeError, NotRepresentableError, TableLockedError } from '../errors'
import { type Dialect } from '../dialects'
import { type BoundColumn } from '../orm/bound-column'

/** What a statement failed with, named where it is a lock, a value or the table that is in the way. */
export function explained(error: unknown, dialect: Dialect, column: BoundColumn): unknown {
  switch (dialect.failureOf(error)) {
    case 'locked':
      return column.error(
        TableLockedError,
        'another session holds a lock on the table or on a row of it. Wait until it ends (MySQL: SHOW PROCESSLIST; PostgreSQL: pg_stat_activity; SQLite: another process that writes) or raise lockTimeout.',
        error,
      )
    case 'value-refused':
      return column.error(
        NotRepresentableError,
        'the database refuses the value: the column is too short for it, or its character set lacks something. Widen the column.',
        error,
      )
    case 'constraint':
      return column.error(ColumnTypeError, refusedByTable(error, column), error)
    default:
      return error
  }
}

/** A constraint names itself, and a driver may show the row with it: only the name is passed on. */
function refusedByTable(error: unknown, { metadata }: BoundColumn): string {
  const name = constraintOf(error)
  const what =
    name === undefined ? 'a constraint, an index or a trigger of the table' : `${name} of the table`
  const drop =
    name === undefined
      ? 'Drop it, or change it so that it leaves the column alone'
      : `Drop or change it first (ALTER TABLE ${metadata.entityMetadata.tablePath} DROP CONSTRAINT ${name}; or DROP INDEX ${name} if it is an index)`
  return `${what} does not take what is to be stored in the column ${metadata.databaseName}: what was meant for its values does not hold for ciphertexts, which are longer and look like noise. ${drop}.`
}

function constraintOf(error: unknown): string | undefined {
  const { driverError = error } = (error ?? {}) as { driverError?: unknown }
  const { constraint, message } = driverError as { constraint?: unknown; message?: unknown }
  if (typeof constraint === 'string') return constraint
  if (typeof message !== 'string') return undefined
  return (
    /CONSTRAINT `([^`]+)` failed/.exec(message)?.[1] ??
    /Check constraint '([^']+)'/.exec(message)?.[1] ??
    /for key '([^']+)'/.exec(message)?.[1] ??
    /index "([^"]+)"/.exec(message)?.[1]
  )
}
