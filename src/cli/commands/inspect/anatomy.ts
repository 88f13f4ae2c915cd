import { isBareCiphertextBlob } from '../../../cipher/direct'
import {
  endOfDataKey,
  HEADER_LENGTH,
  isCiphertext,
  IV_LENGTH,
  Suite,
  suiteOf,
  TAG_LENGTH,
} from '../../../cipher/format'

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

/** Takes a ciphertext apart. Throws `MalformedCiphertextError`; returns `undefined` for what is none. */
export function anatomyOf(bytes: Buffer): Anatomy | undefined {
  const total = bytes.length
  if (!isCiphertext(bytes)) {
    if (!isBareCiphertextBlob(bytes)) return undefined
    return { format: 'CiphertextBlob', mode: 'direct', sizes: { total, header: 0, ciphertextBlob: total } }
  }
  const suite = suiteOf(bytes)
  const common = {
    format: 'typeorm-kms-encrypted',
    version: bytes[1]!,
    suite,
    keyTag: bytes.toString('hex', 3, HEADER_LENGTH),
  } as const
  if (suite !== Suite.Envelope) {
    const sizes = { total, header: HEADER_LENGTH, ciphertextBlob: total - HEADER_LENGTH }
    return { ...common, mode: 'direct', sizes, ...(suite === Suite.DirectEmpty ? { empty: true } : {}) }
  }
  const end = endOfDataKey(bytes)
  return {
    ...common,
    mode: 'envelope',
    sizes: {
      total,
      header: HEADER_LENGTH,
      encryptedDataKey: end - HEADER_LENGTH - 2,
      plaintext: total - end - IV_LENGTH - TAG_LENGTH,
    },
  }
}
