import { type KeyService, type ReEncrypted } from '../kms/key-service'
import { type DirectCiphertext, type EnvelopeCiphertext } from './ciphertext'
import { envelopePrefix } from './format'
import { tagMatches } from './key-tag'
import { contextOf, directHeader } from './suites/direct'
import { type Scope } from './scope'

type ReEncrypt = NonNullable<KeyService['reEncrypt']>

/** Distinct encrypted data keys remembered; about 10 MB. */
const MAX_REMEMBERED = 20_000

/**
 * Moves ciphertexts to another KMS key without opening them: the service re-encrypts the data key, or in direct
 * mode the value, and neither enters this process. Values that share a data key cost one call.
 */
export class Rewrap {
  readonly #reEncrypt: ReEncrypt
  readonly #keyId: string
  readonly #prefixes = new Map<string, Promise<Buffer>>()

  constructor(reEncrypt: ReEncrypt, keyId: string) {
    this.#reEncrypt = reEncrypt
    this.#keyId = keyId
  }

  /** An envelope ciphertext with its data key under the new KMS key. */
  async envelope(ciphertext: EnvelopeCiphertext, scope: Scope): Promise<Buffer> {
    const id = scope.contextKey + ciphertext.dataKeyId
    let prefix = this.#prefixes.get(id)
    if (!prefix) {
      if (this.#prefixes.size >= MAX_REMEMBERED) this.#prefixes.clear()
      prefix = this.#newPrefix(ciphertext, scope)
      this.#prefixes.set(id, prefix)
      prefix.catch(() => this.#prefixes.delete(id))
    }
    return Buffer.concat([await prefix, ciphertext.rest])
  }

  /** A direct ciphertext under the new key, moved from one scope to another. */
  async direct(ciphertext: DirectCiphertext, from: Scope, to: Scope): Promise<Buffer> {
    const { suite, blob } = ciphertext
    const moved = await this.#reEncrypt(blob, contextOf(suite, from), this.#keyId, contextOf(suite, to))
    if (from === to && isReplicaOf(ciphertext.bytes, moved)) return ciphertext.bytes
    return Buffer.concat([directHeader(suite, moved.keyReference), moved.ciphertext])
  }

  /** A bare `CiphertextBlob` as a direct ciphertext under the new key. */
  async bare(blob: Buffer, from: Scope['context'], to: Scope): Promise<Buffer> {
    const moved = await this.#reEncrypt(blob, from, this.#keyId, to.directContext)
    return Buffer.concat([directHeader('direct', moved.keyReference), moved.ciphertext])
  }

  async #newPrefix(ciphertext: EnvelopeCiphertext, { context }: Scope): Promise<Buffer> {
    const prefix = Buffer.from(ciphertext.bytes.subarray(0, ciphertext.prefixLength))
    const encryptedDataKey = Buffer.from(ciphertext.encryptedDataKey)
    const moved = await this.#reEncrypt(encryptedDataKey, context, this.#keyId, context)
    return isReplicaOf(prefix, moved) ? prefix : envelopePrefix(moved.keyReference, moved.ciphertext)
  }
}

/** True if a value is under the key already, written where that has another reference, and so another tag. */
function isReplicaOf(ciphertext: Buffer, { wasUnderIt = false, keyReference }: ReEncrypted): boolean {
  return wasUnderIt && tagMatches(ciphertext, keyReference)
}
