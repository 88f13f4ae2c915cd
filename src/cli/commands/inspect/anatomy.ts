import { type Ciphertext, parse } from '../../../cipher/ciphertext'
import { HEADER_LENGTH, PREFIX_LENGTH, Suite, VERSION } from '../../../cipher/format'
import { notACiphertext } from '../../../cipher/not-a-ciphertext'

/** What a ciphertext says of itself, to anybody. */
export interface Anatomy {
  format: 'typeorm-kms-encrypted' | 'CiphertextBlob'
  version?: number
  suite?: number
  mode: 'envelope' | 'direct'
  /** The first 4 bytes of SHA-256 of the KMS key's ARN, in hexadecimal. */
  keyTag?: string
  /** In bytes. */
  sizes: {
    total: number
    header: number
    encryptedDataKey?: number
    plaintext?: number
    ciphertextBlob?: number
  }
  /** Stands for the empty value, which KMS cannot encrypt. */
  empty?: true
}

/** Takes a ciphertext apart. Throws `MalformedCiphertextError` or `NewerCiphertextError`; `undefined` for what is none. */
export function anatomyOf(bytes: Buffer): Anatomy | undefined {
  const total = bytes.length
  const parsed = parse(bytes)
  switch (parsed.kind) {
    case 'plaintext':
      return undefined
    case 'malformed':
    case 'newer':
      throw notACiphertext(parsed)
    case 'bare':
      return { format: 'CiphertextBlob', mode: 'direct', sizes: { total, header: 0, ciphertextBlob: total } }
    case 'ciphertext':
      return { format: 'typeorm-kms-encrypted', version: VERSION, ...partsOf(parsed) }
  }
}

function partsOf(ciphertext: Ciphertext): Pick<Anatomy, 'suite' | 'mode' | 'keyTag' | 'sizes' | 'empty'> {
  const total = ciphertext.bytes.length
  switch (ciphertext.suite) {
    case 'envelope': {
      const encryptedDataKey = ciphertext.encryptedDataKey.length
      const sizes = { total, header: HEADER_LENGTH, encryptedDataKey, plaintext: ciphertext.valueLength }
      return { suite: Suite.Envelope, mode: 'envelope', keyTag: ciphertext.keyTag.toString('hex'), sizes }
    }
    case 'direct':
    case 'direct-empty': {
      const sizes = { total, header: HEADER_LENGTH, ciphertextBlob: ciphertext.blob.length }
      const common = { mode: 'direct', keyTag: ciphertext.keyTag.toString('hex'), sizes } as const
      return ciphertext.suite === 'direct-empty'
        ? { suite: Suite.DirectEmpty, ...common, empty: true }
        : { suite: Suite.Direct, ...common }
    }
    case 'stored-key':
      return {
        suite: Suite.StoredKey,
        mode: 'envelope',
        sizes: { total, header: PREFIX_LENGTH, plaintext: ciphertext.valueLength },
      }
  }
}
