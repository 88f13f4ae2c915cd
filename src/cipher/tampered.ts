import { TamperedCiphertextError } from '../errors'

/** The failure of what AES-GCM, the key tag or the id of a data key gives away. */
export function tampered(cause?: unknown): TamperedCiphertextError {
  return new TamperedCiphertextError(
    'the stored ciphertext was altered, or was copied here from another column. Restore the row from a backup.',
    { cause },
  )
}
