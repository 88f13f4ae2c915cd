/**
 * Every error of this library is a `KmsEncryptionError` with a stable `code`. Messages name the entity, the
 * property and what to do; they never hold a plaintext, a data key or a whole ciphertext.
 */

/** Where an error happened; each part is there when it is known. */
export interface ErrorDetails {
  /** Name of the entity class or schema. */
  entity?: string
  /** Path of the property inside the entity, e.g. `profile.token`. */
  property?: string
  /** Primary key of the row, where one row is the culprit. */
  primaryKey?: Readonly<Record<string, unknown>>
  cause?: unknown
}

/**
 * Base class of all errors of this library.
 *
 * @example
 * ```ts
 * try {
 *   await users.find()
 * } catch (error) {
 *   if (error instanceof KmsEncryptionError && error.code === 'KMS_KEY_DISABLED') alertOperations(error)
 *   throw error
 * }
 * ```
 */
export abstract class KmsEncryptionError extends Error {
  /** Stable identifier of the kind of error. */
  abstract readonly code: string
  readonly entity?: string
  readonly property?: string
  readonly primaryKey?: Readonly<Record<string, unknown>>
  /** What happened, without the place; `message` is the place and this. */
  readonly reason: string

  constructor(reason: string, details: ErrorDetails = {}) {
    super(placed(reason, details), details.cause === undefined ? undefined : { cause: details.cause })
    this.name = new.target.name
    this.reason = reason
    if (details.entity !== undefined) this.entity = details.entity
    if (details.property !== undefined) this.property = details.property
    if (details.primaryKey !== undefined) this.primaryKey = details.primaryKey
  }

  /** The same error with more of its place known. */
  at(details: Omit<ErrorDetails, 'cause'>): this {
    const Class = this.constructor as new (reason: string, details: ErrorDetails) => this
    const known = {
      entity: this.entity,
      property: this.property,
      primaryKey: this.primaryKey,
      cause: this.cause,
    }
    const error = new Class(this.reason, { ...known, ...details })
    if (this.stack !== undefined) error.stack = this.stack.replace(this.message, () => error.message)
    return error
  }
}

function placed(reason: string, { entity, property, primaryKey }: ErrorDetails): string {
  const place = [entity, property].filter((part) => part !== undefined).join('.')
  const row =
    primaryKey &&
    `(${Object.entries(primaryKey)
      .map(([name, value]) => `${name}=${String(value)}`)
      .join(', ')})`
  const where = [place, row].filter(Boolean).join(' ')
  return where ? `${where}: ${reason}` : reason
}

// --- What the application declared or configured ---

/** An option is missing, unknown or cannot work on ciphertext. Thrown when the class or the options are defined. */
export class InvalidOptionError extends KmsEncryptionError {
  readonly code = 'INVALID_OPTION'
}

/** The value type of a column is neither given nor known from `design:type`. */
export class UnknownValueTypeError extends KmsEncryptionError {
  readonly code = 'UNKNOWN_VALUE_TYPE'
}

/** An entity has encrypted columns, and the options of its DataSource did not go through `configure()`. */
export class NotConfiguredError extends KmsEncryptionError {
  readonly code = 'NOT_CONFIGURED'
}

/** The database of the DataSource is not one this library supports. */
export class UnsupportedDatabaseError extends KmsEncryptionError {
  readonly code = 'UNSUPPORTED_DATABASE'
}

/** Neither `kmsEncryption()` nor the column names a KMS key. */
export class KeyIdMissingError extends KmsEncryptionError {
  readonly code = 'KMS_KEY_ID_MISSING'
}

/** The `KmsEncryption` was closed; its data keys are gone. */
export class ClosedError extends KmsEncryptionError {
  readonly code = 'CLOSED'
}

// --- What the application wanted to do ---

/** The value is not of the declared type, or cannot be stored without being altered. */
export class InvalidValueError extends KmsEncryptionError {
  readonly code = 'INVALID_VALUE'
}

/** The value is over 4096 bytes in direct mode, or over the column's `maxLength`. */
export class ValueTooLargeError extends KmsEncryptionError {
  readonly code = 'VALUE_TOO_LARGE'
}

/** An encrypted column was used in a search condition: its ciphertext is different each time, nothing would match. */
export class SearchRefusedError extends KmsEncryptionError {
  readonly code = 'SEARCH_REFUSED'
}

/** A raw SQL expression was given as the value of an encrypted column: it would not be encrypted. */
export class RawSqlRefusedError extends KmsEncryptionError {
  readonly code = 'RAW_SQL_REFUSED'
}

/** A value that could not be decrypted was read as if it were plaintext. */
export class NotDecryptedError extends KmsEncryptionError {
  readonly code = 'NOT_DECRYPTED'
}

// --- What the row holds ---

/** The column holds something that is not a ciphertext. */
export class PlaintextFoundError extends KmsEncryptionError {
  readonly code = 'PLAINTEXT_FOUND'
}

/** The column holds a ciphertext that is cut off or in a format that this version does not know. */
export class MalformedCiphertextError extends KmsEncryptionError {
  readonly code = 'CIPHERTEXT_MALFORMED'
}

/** The ciphertext was altered, or belongs to another column. */
export class TamperedCiphertextError extends KmsEncryptionError {
  readonly code = 'CIPHERTEXT_TAMPERED'
}

/** KMS refuses the ciphertext or its data key under this encryption context. */
export class WrongContextError extends KmsEncryptionError {
  readonly code = 'CIPHERTEXT_WRONG_CONTEXT'
}

/** KMS opened the ciphertext with a key that is not among `trustedKeys`. */
export class UntrustedKeyError extends KmsEncryptionError {
  readonly code = 'KMS_KEY_UNTRUSTED'
}

// --- What a migration meets ---

/** The property is not an encrypted column. */
export class NotEncryptedColumnError extends KmsEncryptionError {
  readonly code = 'NOT_AN_ENCRYPTED_COLUMN'
}

/** The table has no primary key, so its rows cannot be told apart. */
export class NoPrimaryKeyError extends KmsEncryptionError {
  readonly code = 'NO_PRIMARY_KEY'
}

/** The type of the database column cannot hold what is to be stored; the message has the statement that changes it. */
export class ColumnTypeError extends KmsEncryptionError {
  readonly code = 'COLUMN_TYPE'
}

/** A decrypted value does not fit into the column as it is, or into the type that the column is to get. */
export class NotRepresentableError extends KmsEncryptionError {
  readonly code = 'NOT_REPRESENTABLE'
}

/** Another session holds a lock on the table or the row for longer than `lockTimeout`. */
export class TableLockedError extends KmsEncryptionError {
  readonly code = 'TABLE_LOCKED'
}

/** The migration was stopped by its `signal`; what is done stays done. */
export class InterruptedError extends KmsEncryptionError {
  readonly code = 'INTERRUPTED'
}

/** A new value did not decrypt to what it was made from; it was not stored. */
export class SelfCheckError extends KmsEncryptionError {
  readonly code = 'SELF_CHECK_FAILED'
}

// --- What KMS answered ---

/** KMS does not know the key. */
export class KeyNotFoundError extends KmsEncryptionError {
  readonly code = 'KMS_KEY_NOT_FOUND'
}

/** The KMS key is disabled. */
export class KeyDisabledError extends KmsEncryptionError {
  readonly code = 'KMS_KEY_DISABLED'
}

/** The KMS key is scheduled for deletion. */
export class KeyPendingDeletionError extends KmsEncryptionError {
  readonly code = 'KMS_KEY_PENDING_DELETION'
}

/** The KMS key is not a symmetric encryption key, or not in a state in which it can be used. */
export class KeyUnusableError extends KmsEncryptionError {
  readonly code = 'KMS_KEY_UNUSABLE'
}

/** The caller may not use the KMS key for this operation. */
export class AccessDeniedError extends KmsEncryptionError {
  readonly code = 'KMS_ACCESS_DENIED'
}

/** KMS throttled the request, and the SDK's retries did not help. */
export class ThrottledError extends KmsEncryptionError {
  readonly code = 'KMS_THROTTLED'
}

/** KMS could not be reached, did not answer in time, or failed on its side. */
export class KmsUnavailableError extends KmsEncryptionError {
  readonly code = 'KMS_UNAVAILABLE'
}

/** No AWS region is configured, or the key lives in another one. */
export class WrongRegionError extends KmsEncryptionError {
  readonly code = 'KMS_REGION'
}

/** No AWS credentials were found, or they are invalid or expired. */
export class CredentialsError extends KmsEncryptionError {
  readonly code = 'KMS_CREDENTIALS'
}

/** KMS refused the request for another reason; `cause` is its error. */
export class KmsRequestError extends KmsEncryptionError {
  readonly code = 'KMS_REQUEST_FAILED'
}
