import { KmsEncryptionError } from './kms-encryption-error'
import { DataKeyNotFoundError } from './service'
import {
  DataKeyMissingError,
  ForgottenError,
  MalformedCiphertextError,
  TamperedCiphertextError,
  WrongContextError,
} from './value'

/**
 * True if the value or its KMS key is the cause: asking again changes nothing until a person acts. False for trouble of
 * KMS and for all that this library does not know, which say nothing about the value.
 */
export function isLasting(error: unknown): error is KmsEncryptionError {
  return error instanceof KmsEncryptionError && (error.kind === 'value' || error.kind === 'key')
}

/**
 * True if a failure is that of one value and says nothing about others: then a marker may stand for it. A data key that
 * is missing may be on its way; but a value that names one which never was is there for anybody to write, and must not
 * keep the rest of its page from being read.
 */
export function isOfOneValue(error: unknown): error is KmsEncryptionError {
  return isLasting(error) || error instanceof DataKeyNotFoundError
}

/** True if the store of data keys has none for a value: KMS was not asked. */
export function isWithoutDataKey(error: unknown): boolean {
  return (
    error instanceof DataKeyNotFoundError ||
    error instanceof DataKeyMissingError ||
    error instanceof ForgottenError
  )
}

/** True if the bytes did not open as what they were opened as: under another context or key they may. */
export function isOfOtherScope(error: unknown): boolean {
  return error instanceof WrongContextError || error instanceof TamperedCiphertextError
}

/** True if the bytes open as no ciphertext: where plaintext can look like one, they may be plaintext. */
export function isNoCiphertext(error: unknown): boolean {
  return isOfOtherScope(error) || error instanceof MalformedCiphertextError
}
