import { KmsEncryptionError } from './kms-encryption-error'

/** A migration run cannot start or go on as things are; what is done stays done. */
abstract class RunError extends KmsEncryptionError {
  readonly kind = 'run'
}

/** The table has no primary key, so its rows cannot be told apart. */
export class NoPrimaryKeyError extends RunError {
  readonly code = 'NO_PRIMARY_KEY'
}

/** The type of the database column cannot hold what is to be stored; the message has the statement that changes it. */
export class ColumnTypeError extends RunError {
  readonly code = 'COLUMN_TYPE'
}

/** Another session holds a lock on the table or the row for longer than `lockTimeout`. */
export class TableLockedError extends RunError {
  readonly code = 'TABLE_LOCKED'
}

/** The database, or the connection to it, failed in the middle of a run, with its error as `cause`. */
export class DatabaseFailedError extends RunError {
  readonly code = 'DATABASE_FAILED'
}

/** The migration was stopped by its `signal`; what is done stays done. */
export class InterruptedError extends RunError {
  readonly code = 'INTERRUPTED'
}

/** A new value did not decrypt to what it was made from; it was not stored. */
export class SelfCheckError extends RunError {
  readonly code = 'SELF_CHECK_FAILED'
}

/** The database stored something else than it was sent, a trigger for example; the batch was rolled back. */
export class AlteredValueError extends RunError {
  readonly code = 'VALUE_ALTERED'
}

/** A pass over a table did not meet all of its rows, or would never have ended. */
export class RowsLeftOutError extends RunError {
  readonly code = 'ROWS_LEFT_OUT'
}

/** Row level security, or a view, keeps rows of the table from this role: nothing can be said, or done, about all of them. */
export class RowsHiddenError extends RunError {
  readonly code = 'ROWS_HIDDEN'
}

/** The table is not in the database, or the role may not read or change it: nobody knows what it holds. */
export class TableAccessError extends RunError {
  readonly code = 'TABLE_ACCESS'
}

/** Stored values are not of the type that the column declares. */
export class DeclaredTypeError extends RunError {
  readonly code = 'DECLARED_TYPE'
}

/** SQLite: making a table anew would delete rows of the tables that refer to it. Nothing was changed. */
export class RebuildRefusedError extends RunError {
  readonly code = 'REBUILD_REFUSED'
}

/** Values of a context that is to be forgotten carry their data keys, and would open afterwards. Nothing was changed. */
export class InlineValuesLeftError extends RunError {
  readonly code = 'INLINE_VALUES_LEFT'
}
