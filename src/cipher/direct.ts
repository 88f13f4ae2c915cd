import { isUtf8 } from 'node:buffer'
import { MalformedCiphertextError, ValueTooLargeError, WrongContextError } from '../errors'
import { type Decrypted, type KeyService } from '../kms/key-service'
import { type EncryptionContext } from './context'
import { tagMatches, tampered } from './data-key'
import { header, HEADER_LENGTH, isCiphertext, keyTag, Suite, suiteOf } from './format'
import { type Scope } from './scope'

/** Most bytes that KMS Encrypt takes under a symmetric key. */
export const MAX_DIRECT_BYTES = 4096

/** KMS encrypts no empty plaintext: one zero byte stands for it, under this pair, so that it means nothing else. */
const EMPTY = Buffer.alloc(1)
const EMPTY_CONTEXT: EncryptionContext = { empty: 'true' }

/** One KMS Encrypt or Decrypt per value, as in KMS's own tutorial. No key material enters the process. */
export class DirectMode {
  readonly #kms: KeyService

  constructor(kms: KeyService) {
    this.#kms = kms
  }

  async encrypt(plaintext: string | Uint8Array, keyId: string, scope: Scope): Promise<Buffer> {
    const bytes = typeof plaintext === 'string' ? Buffer.from(plaintext) : plaintext
    checkDirectSize(bytes.length)
    const [suite, input] =
      bytes.length === 0 ? ([Suite.DirectEmpty, EMPTY] as const) : ([Suite.Direct, bytes] as const)
    const { ciphertext, keyReference } = await this.#kms.encrypt(keyId, input, contextOf(suite, scope))
    return Buffer.concat([header(suite, keyTag(keyReference)), ciphertext])
  }

  async decrypt(ciphertext: Buffer, scope: Scope): Promise<Buffer> {
    if (!isCiphertext(ciphertext)) return this.#decryptBare(ciphertext, scope)
    const suite = suiteOf(ciphertext)
    const { plaintext, keyReference } = await this.#kms.decrypt(
      ciphertext.subarray(HEADER_LENGTH),
      contextOf(suite, scope),
    )
    if (!tagMatches(ciphertext, keyReference)) throw tampered()
    return suite === Suite.DirectEmpty ? Buffer.alloc(0) : plaintext
  }

  /**
   * A `CiphertextBlob` that another program stored: made under the column's own context, or under none, as in KMS's
   * tutorial.
   */
  async #decryptBare(blob: Buffer, scope: Scope): Promise<Buffer> {
    const opened = await this.#kms
      .decrypt(blob, scope.directContext)
      .catch((error: unknown): Promise<Decrypted> => {
        if (error instanceof WrongContextError) return this.#kms.decrypt(blob, {})
        throw error
      })
    return opened.plaintext
  }
}

/** Throws `ValueTooLargeError` for what KMS Encrypt would refuse. */
export function checkDirectSize(bytes: number): void {
  if (bytes <= MAX_DIRECT_BYTES) return
  throw new ValueTooLargeError(
    `the value has ${bytes} bytes, and KMS encrypts at most ${MAX_DIRECT_BYTES} in direct mode. Use mode: 'envelope', which takes any size.`,
  )
}

/**
 * True for what looks like a `CiphertextBlob` of KMS under a symmetric key. AWS calls the blob opaque; those of
 * today begin `01 xx xx 00 78`, those of the service's first years `0A 20`. Text must not pass: it would be sent
 * to KMS.
 */
export function isBareCiphertextBlob(bytes: Buffer): boolean {
  return bytes.length <= 6144 && isKmsBlob(bytes) && !isUtf8(bytes)
}

/** True for bytes with the outline of what KMS makes: long enough, and beginning as its blobs do. */
export function isKmsBlob(bytes: Buffer): boolean {
  if (bytes.length < 100) return false
  const today = bytes[0] === 0x01 && bytes[3] === 0x00 && bytes[4] === 0x78
  const early = bytes[0] === 0x0a && bytes[1] === 0x20
  return today || early
}

/** The encryption context of a direct ciphertext. */
export function contextOf(suite: Suite, scope: Scope): EncryptionContext {
  if (suite === Suite.Envelope)
    throw new MalformedCiphertextError('an envelope ciphertext is not opened by KMS itself')
  return suite === Suite.DirectEmpty ? { ...scope.directContext, ...EMPTY_CONTEXT } : scope.directContext
}
