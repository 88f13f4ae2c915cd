import { KmsEncryptionError } from './kms-encryption-error'

/** One value is the cause: what is to be stored, or what the row holds. Other values are not affected. */
abstract class ValueError extends KmsEncryptionError {
  readonly kind = 'value'
}

/** The value is not of the declared type, or cannot be stored without being altered. */
export class InvalidValueError extends ValueError {
  readonly code = 'INVALID_VALUE'
}

/** The value is over 4096 bytes in direct mode, or over the column's `maxLength`. */
export class ValueTooLargeError extends ValueError {
  readonly code = 'VALUE_TOO_LARGE'
}

/** The column holds something that is not a ciphertext. */
export class PlaintextFoundError extends ValueError {
  readonly code = 'PLAINTEXT_FOUND'
}

/** Another program encrypted the value, and no format of `acceptFormats` opens it. */
export class ForeignFormatError extends ValueError {
  readonly code = 'FOREIGN_FORMAT'
}

/** The column holds bytes that begin like a ciphertext, and are none that can be opened: cut off, or damaged. */
export class MalformedCiphertextError extends ValueError {
  readonly code = 'CIPHERTEXT_MALFORMED'
}

/** The column holds a ciphertext of a kind that a newer release writes. It is never taken for plaintext. */
export class NewerCiphertextError extends ValueError {
  readonly code = 'CIPHERTEXT_NEWER'
}

/** Other values of the same page could not be decrypted, so KMS was not asked for this one. */
export class NotTriedError extends ValueError {
  readonly code = 'CIPHERTEXT_NOT_TRIED'
}

/** The ciphertext was altered, or belongs to another column. */
export class TamperedCiphertextError extends ValueError {
  readonly code = 'CIPHERTEXT_TAMPERED'
}

/** KMS refuses the ciphertext or its data key under this encryption context. */
export class WrongContextError extends ValueError {
  readonly code = 'CIPHERTEXT_WRONG_CONTEXT'
}

/**
 * The ciphertext is bound to its row, and was altered, or copied here from another row, or what it is bound to was
 * changed. Authenticated encryption cannot tell which.
 */
export class WrongRowError extends ValueError {
  readonly code = 'CIPHERTEXT_WRONG_ROW'
}

/** KMS opened the ciphertext with a key that is not among `trustedKeys`. */
export class UntrustedKeyError extends ValueError {
  readonly code = 'KMS_KEY_UNTRUSTED'
}

/** A decrypted value does not fit into the column as it is, or into the type that the column is to get. */
export class NotRepresentableError extends ValueError {
  readonly code = 'NOT_REPRESENTABLE'
}

/** The key table does not have the data key that the ciphertext names, and did not get it within a minute. */
export class DataKeyMissingError extends ValueError {
  readonly code = 'DATA_KEY_MISSING'
}

/** The data key of the ciphertext was destroyed on purpose: the value is gone for good. */
export class ForgottenError extends ValueError {
  readonly code = 'FORGOTTEN'
}

/** Another row has the same value, and the column's blind index is unique. */
export class NotUniqueError extends ValueError {
  readonly code = 'VALUE_NOT_UNIQUE'
}

/** The blind index of a row is not that of its value. */
export class IndexWrongError extends ValueError {
  readonly code = 'INDEX_WRONG'
}
