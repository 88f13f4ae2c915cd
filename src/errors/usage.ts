import { KmsEncryptionError } from './kms-encryption-error'

/** The application declared, configured or called something in a way that cannot work. */
abstract class UsageError extends KmsEncryptionError {
  readonly kind = 'usage'
}

/** An option is missing, unknown or cannot work on ciphertext. Thrown when the class or the options are defined. */
export class InvalidOptionError extends UsageError {
  readonly code = 'INVALID_OPTION'
}

/** The value type of a column is neither given nor known from `design:type`. */
export class UnknownValueTypeError extends UsageError {
  readonly code = 'UNKNOWN_VALUE_TYPE'
}

/** An entity has encrypted columns, and the options of its DataSource did not go through `configure()`. */
export class NotConfiguredError extends UsageError {
  readonly code = 'NOT_CONFIGURED'
}

/** The database of the DataSource is not one this library supports. */
export class UnsupportedDatabaseError extends UsageError {
  readonly code = 'UNSUPPORTED_DATABASE'
}

/** Neither `kmsEncryption()` nor the column names a KMS key. */
export class KeyIdMissingError extends UsageError {
  readonly code = 'KMS_KEY_ID_MISSING'
}

/** No AWS region is configured, or the key lives in another one. */
export class WrongRegionError extends UsageError {
  readonly code = 'KMS_REGION'
}

/** The `KmsEncryption` was closed; its data keys are gone. */
export class ClosedError extends UsageError {
  readonly code = 'CLOSED'
}

/** An encrypted column was used in a search condition: its ciphertext is different each time, nothing would match. */
export class SearchRefusedError extends UsageError {
  readonly code = 'SEARCH_REFUSED'
}

/** Rows have a value and no blind index yet: a search would miss them. */
export class SearchIncompleteError extends UsageError {
  readonly code = 'SEARCH_INCOMPLETE'
}

/** A raw SQL expression was given as the value of an encrypted column: it would not be encrypted. */
export class RawSqlRefusedError extends UsageError {
  readonly code = 'RAW_SQL_REFUSED'
}

/** A value that could not be decrypted was read as if it were plaintext. */
export class NotDecryptedError extends UsageError {
  readonly code = 'NOT_DECRYPTED'
}

/** The driver delivered something else than bytes for a binary column: one of its settings converts them. */
export class DriverValueError extends UsageError {
  readonly code = 'DRIVER_VALUE'
}

/** The property is not an encrypted column. */
export class NotEncryptedColumnError extends UsageError {
  readonly code = 'NOT_AN_ENCRYPTED_COLUMN'
}

/** The table of the stored data keys is not in the database. */
export class KeyTableMissingError extends UsageError {
  readonly code = 'KEY_TABLE_MISSING'
}

/** A statement would empty, drop or change the table of the stored data keys while there are values under its keys. */
export class KeyTableInUseError extends UsageError {
  readonly code = 'KEY_TABLE_IN_USE'
}

/** A value is bound to its row, or keyed by it, and what of the row that needs is not known at this place. */
export class RowUnknownError extends UsageError {
  readonly code = 'ROW_UNKNOWN'
}

/** The value was to be decrypted inside of `encryption.deny()`. */
export class DecryptionDeniedError extends UsageError {
  readonly code = 'DECRYPTION_DENIED'
}

/** More values were to be decrypted than `encryption.withContext({ maxDecryptions }, …)` allows. */
export class DecryptionLimitError extends UsageError {
  readonly code = 'DECRYPTION_LIMIT'
}
