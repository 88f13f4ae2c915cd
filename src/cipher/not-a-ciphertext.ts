import {
  type KmsEncryptionError,
  MalformedCiphertextError,
  NewerCiphertextError,
  PlaintextFoundError,
} from '../errors'
import { type Parsed } from './ciphertext'

/** Why stored bytes that are no ciphertext of this release cannot be opened. */
export function notACiphertext(
  parsed: Extract<Parsed, { kind: 'newer' | 'malformed' | 'plaintext' }>,
): KmsEncryptionError {
  switch (parsed.kind) {
    case 'newer':
      return new NewerCiphertextError(
        `the ciphertext has suite ${parsed.suite}: a newer release of this library wrote it. Install that one; nothing was changed. If it is plaintext that only begins so, as one of 136,000 random values of bytes does: read it with a raw query, and store it with an update() of the entity.`,
      )
    case 'malformed':
      return new MalformedCiphertextError(
        `the stored ciphertext ${parsed.reason}. Restore the row from a backup, or look at it with a raw query; nothing was changed.`,
      )
    case 'plaintext':
      return new PlaintextFoundError(
        'the column holds a value that is not encrypted. Encrypt the existing rows, or set acceptPlaintext: true while they are being migrated.',
      )
  }
}
