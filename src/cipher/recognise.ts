import { isBareCiphertextBlob, isKmsBlob } from './direct'
import { endOfDataKey, HEADER_LENGTH, isCiphertext, Suite, suiteOf } from './format'

/** What the bytes of a stored value are, as far as bytes can tell. */
export type Recognised =
  | {
      kind: 'ciphertext'
      suite: Suite
      /** Where the encrypted data key ends (suite 1), or the `CiphertextBlob` begins. */
      end: number
      /** True if what KMS made of it looks like KMS's work: then it is no plaintext that happens to begin so. */
      certain: boolean
    }
  /** A `CiphertextBlob` of KMS with no header of this library. */
  | { kind: 'bare' }
  /** Begins like a ciphertext, and is not a whole one of a version that this release knows. */
  | { kind: 'malformed' }
  | { kind: 'plaintext' }

/** Tells ciphertext from plaintext with no key and no call to KMS. */
export function recognise(bytes: Buffer): Recognised {
  if (!isCiphertext(bytes)) return { kind: isBareCiphertextBlob(bytes) ? 'bare' : 'plaintext' }
  try {
    const suite = suiteOf(bytes)
    const end = suite === Suite.Envelope ? endOfDataKey(bytes) : HEADER_LENGTH
    const blob = suite === Suite.Envelope ? bytes.subarray(HEADER_LENGTH + 2, end) : bytes.subarray(end)
    return { kind: 'ciphertext', suite, end, certain: isKmsBlob(blob) }
  } catch {
    return { kind: 'malformed' }
  }
}

/**
 * The bytes of a ciphertext that is stored as base64, where the text of it lies in a binary column: between a
 * change of `storage` and its rotation. `undefined` for anything else, at the cost of one comparison.
 */
export function fromBase64Bytes(stored: Buffer): Buffer | undefined {
  // 'w' is the first digit of every ciphertext in base64.
  if (stored[0] !== 0x77) return undefined
  const text = stored.toString('latin1')
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text && recognise(bytes).kind === 'ciphertext' ? bytes : undefined
}
