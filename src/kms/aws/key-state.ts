import {
  KeyDisabledError,
  KeyPendingDeletionError,
  KeyUnavailableError,
  KeyUnusableError,
} from '../../errors'
import { type Explanation, theKey, withoutNames } from './failed-call'

export const UNUSABLE: Explanation = [
  KeyUnusableError,
  (call) =>
    `${theKey(call)} cannot be used for ${call.operation}. It must be an enabled symmetric encryption key (KeySpec SYMMETRIC_DEFAULT, KeyUsage ENCRYPT_DECRYPT).`,
]

export const DISABLED: Explanation = [
  KeyDisabledError,
  (call) => `${theKey(call)} is disabled. Enable it: typeorm-kms keys enable KEY.`,
]

export const UNAVAILABLE_KEY: Explanation = [
  KeyUnavailableError,
  (call) =>
    `${theKey(call)} is not available at the moment: it is being created or updated, or the custom key store that it lives in is not connected (aws kms describe-custom-key-stores shows its ConnectionState). The operation can be repeated.`,
]

const PENDING_DELETION: Explanation = [
  KeyPendingDeletionError,
  (call) =>
    `${theKey(call)} is scheduled for deletion. Keep it: typeorm-kms keys cancel-deletion KEY, then typeorm-kms keys enable KEY.`,
]

const PENDING_IMPORT: Explanation = [
  KeyUnusableError,
  (call) =>
    `${theKey(call)} has no key material: its import is pending, or what was imported has expired or was deleted. Import the same key material (again): aws kms import-key-material.`,
]

/** By what KMS says of the state of the key; each also as the name of the state, e.g. `PendingImport`. */
const BY_MESSAGE: readonly [RegExp, Explanation][] = [
  [/\bpending ?import\b/i, PENDING_IMPORT],
  [/\bpending ?(replica ?)?deletion\b/i, PENDING_DELETION],
  [/\b(unavailable|not available|updating|creating|custom key store|external key)\b/i, UNAVAILABLE_KEY],
  [/\bdisabled\b/i, DISABLED],
]

/**
 * What `KMSInvalidStateException` means, which stands for all states of a key but Enabled.
 *
 * Source: AWS KMS Developer Guide, "Key states of AWS KMS keys".
 */
export function keyStateExplanation(message: string): Explanation {
  const text = withoutNames(message)
  if (/\bnot pending/i.test(text)) return UNUSABLE
  return BY_MESSAGE.find(([state]) => state.test(text))?.[1] ?? UNUSABLE
}
