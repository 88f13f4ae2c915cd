import {
  DirectCiphertext,
  EnvelopeCiphertext,
  parse,
  StoredKeyCiphertext,
} from '../../../src/cipher/ciphertext'

/** A ciphertext of suite 1. */
export function envelopeOf(bytes: Buffer): EnvelopeCiphertext {
  const parsed = parse(bytes)
  if (parsed instanceof EnvelopeCiphertext) return parsed
  throw new Error(`not an envelope ciphertext but ${parsed.kind}`)
}

/** A ciphertext of suite 2 or 3. */
export function directOf(bytes: Buffer): DirectCiphertext {
  const parsed = parse(bytes)
  if (parsed instanceof DirectCiphertext) return parsed
  throw new Error(`not a direct ciphertext but ${parsed.kind}`)
}

/** A ciphertext of suite 4. */
export function storedKeyOf(bytes: Buffer): StoredKeyCiphertext {
  const parsed = parse(bytes)
  if (parsed instanceof StoredKeyCiphertext) return parsed
  throw new Error(`not a ciphertext of a stored data key but ${parsed.kind}`)
}
