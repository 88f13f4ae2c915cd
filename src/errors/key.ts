import { KmsEncryptionError } from './kms-encryption-error'

/** The KMS key is the cause: all values under it are affected until a person mends the key or its policy. */
abstract class KeyError extends KmsEncryptionError {
  readonly kind = 'key'
}

/** KMS does not know the key. */
export class KeyNotFoundError extends KeyError {
  readonly code = 'KMS_KEY_NOT_FOUND'
}

/** The KMS key is disabled. */
export class KeyDisabledError extends KeyError {
  readonly code = 'KMS_KEY_DISABLED'
}

/** The KMS key is scheduled for deletion. */
export class KeyPendingDeletionError extends KeyError {
  readonly code = 'KMS_KEY_PENDING_DELETION'
}

/** The KMS key is not a symmetric encryption key, or not in a state in which it can be used. */
export class KeyUnusableError extends KeyError {
  readonly code = 'KMS_KEY_UNUSABLE'
}

/** The caller may not use the KMS key for this operation. */
export class AccessDeniedError extends KeyError {
  readonly code = 'KMS_ACCESS_DENIED'
}

/** A row of the key table that new values would be sealed under does not hold the data key that its id names. */
export class ForgedDataKeyError extends KeyError {
  readonly code = 'DATA_KEY_FORGED'
}
