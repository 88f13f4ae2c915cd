/**
 * Whose trouble it is, and so what helps.
 *
 * - `usage`: the application declared, configured or called something in a way that cannot work.
 * - `value`: one value is the cause: what is to be stored, or what the row holds. Other values are not affected.
 * - `key`: the KMS key is the cause: all values under it are affected until a person mends the key or its policy.
 * - `service`: KMS cannot be asked at the moment, or its answer cannot be used. It says nothing about the value, and passes.
 * - `run`: a migration run cannot start or go on as things are; what is done stays done.
 */
export type KmsEncryptionErrorKind = 'usage' | 'value' | 'key' | 'service' | 'run'

/** Stable identifier of an error; applications compare these. None is ever changed or removed. */
export type KmsEncryptionErrorCode =
  // usage
  | 'INVALID_OPTION'
  | 'UNKNOWN_VALUE_TYPE'
  | 'NOT_CONFIGURED'
  | 'UNSUPPORTED_DATABASE'
  | 'KMS_KEY_ID_MISSING'
  | 'KMS_REGION'
  | 'CLOSED'
  | 'SEARCH_REFUSED'
  | 'RAW_SQL_REFUSED'
  | 'SEARCH_INCOMPLETE'
  | 'NOT_DECRYPTED'
  | 'DRIVER_VALUE'
  | 'NOT_AN_ENCRYPTED_COLUMN'
  | 'KEY_TABLE_MISSING'
  | 'KEY_TABLE_IN_USE'
  | 'ROW_UNKNOWN'
  | 'DECRYPTION_DENIED'
  | 'DECRYPTION_LIMIT'
  // value
  | 'INVALID_VALUE'
  | 'VALUE_TOO_LARGE'
  | 'PLAINTEXT_FOUND'
  | 'FOREIGN_FORMAT'
  | 'CIPHERTEXT_MALFORMED'
  | 'CIPHERTEXT_NEWER'
  | 'CIPHERTEXT_NOT_TRIED'
  | 'CIPHERTEXT_TAMPERED'
  | 'CIPHERTEXT_WRONG_CONTEXT'
  | 'CIPHERTEXT_WRONG_ROW'
  | 'KMS_KEY_UNTRUSTED'
  | 'DATA_KEY_MISSING'
  | 'FORGOTTEN'
  | 'NOT_REPRESENTABLE'
  | 'INDEX_WRONG'
  | 'VALUE_NOT_UNIQUE'
  // key
  | 'KMS_KEY_NOT_FOUND'
  | 'KMS_KEY_DISABLED'
  | 'KMS_KEY_PENDING_DELETION'
  | 'KMS_KEY_UNUSABLE'
  | 'KMS_ACCESS_DENIED'
  | 'DATA_KEY_FORGED'
  // service
  | 'KMS_UNAVAILABLE'
  | 'KMS_KEY_UNAVAILABLE'
  | 'KMS_THROTTLED'
  | 'KMS_CREDENTIALS'
  | 'KMS_CLOCK'
  | 'KMS_REQUEST_FAILED'
  | 'DATA_KEY_NOT_FOUND'
  | 'KEY_TABLE_UNAVAILABLE'
  | 'TRANSACTION_LOST'
  // run
  | 'NO_PRIMARY_KEY'
  | 'COLUMN_TYPE'
  | 'TABLE_LOCKED'
  | 'DATABASE_FAILED'
  | 'INTERRUPTED'
  | 'SELF_CHECK_FAILED'
  | 'VALUE_ALTERED'
  | 'ROWS_LEFT_OUT'
  | 'ROWS_HIDDEN'
  | 'TABLE_ACCESS'
  | 'DECLARED_TYPE'
  | 'REBUILD_REFUSED'
  | 'INLINE_VALUES_LEFT'
