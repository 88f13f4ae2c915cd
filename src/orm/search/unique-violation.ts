import { QueryFailedError } from 'typeorm'
import { type BlindIndex } from './blind-index'
import { type SearchPlan } from './search-plan'

/** Names what a statement violated, if it fails. */
export function nameViolations<T>(plan: SearchPlan, sent: Promise<T>): Promise<T> {
  if (plan.written.size === 0) return sent
  return sent.catch((error: unknown) => {
    nameViolation(plan, error)
    throw error
  })
}

/**
 * Names entity and property in the error of a unique index over a blind index. It stays TypeORM's own error, with the
 * code of the driver, since applications ask for that.
 */
function nameViolation({ written }: SearchPlan, error: unknown): void {
  if (!(error instanceof QueryFailedError)) return
  const violated = violatedIndex(written, error.message)
  if (!violated) return
  error.message = `${violated.column.name}: another row has the same value, and it is declared unique. The row was not written.`
}

/** The unique index that a statement violated, if it is one of these. */
export function violatedIndex(indexes: Iterable<BlindIndex>, message: string): BlindIndex | undefined {
  return [...indexes].find((index) => index.declared.isUnique && isNamedIn(message, index))
}

/** By the name of the database's index, and in SQLite by the column. */
function isNamedIn(message: string, { metadata }: BlindIndex): boolean {
  const { entityMetadata, databaseName } = metadata
  const names = entityMetadata.indices
    .filter(({ columns }) => columns.length === 1 && columns[0] === metadata)
    .map(({ name }) => name)
  return [...names, `${entityMetadata.tableName}.${databaseName}`].some((name) => message.includes(name))
}
