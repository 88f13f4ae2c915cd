import { type KeyService } from '../kms/key-service'
import { contextOf } from './direct'
import { dataKeyId } from './data-key'
import { envelopePrefix, header, HEADER_LENGTH, keyTag, Suite, suiteOf } from './format'
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

  /** An envelope ciphertext whose encrypted data key ends at `end`, with that under the new key. */
  async envelope(ciphertext: Buffer, end: number, scope: Scope): Promise<Buffer> {
    const id = scope.contextKey + dataKeyId(ciphertext, end)
    let prefix = this.#prefixes.get(id)
    if (!prefix) {
      if (this.#prefixes.size >= MAX_REMEMBERED) this.#prefixes.clear()
      prefix = this.#newPrefix(Buffer.from(ciphertext.subarray(HEADER_LENGTH + 2, end)), scope)
      this.#prefixes.set(id, prefix)
      prefix.catch(() => this.#prefixes.delete(id))
    }
    return Buffer.concat([await prefix, ciphertext.subarray(end)])
  }

  /** A direct ciphertext under the new key, moved from one scope to another. */
  async direct(ciphertext: Buffer, from: Scope, to: Scope): Promise<Buffer> {
    const suite = suiteOf(ciphertext)
    const moved = await this.#reEncrypt(
      ciphertext.subarray(HEADER_LENGTH),
      contextOf(suite, from),
      this.#keyId,
      contextOf(suite, to),
    )
    return Buffer.concat([header(suite, keyTag(moved.keyReference)), moved.ciphertext])
  }

  /** A bare `CiphertextBlob` as a direct ciphertext under the new key. */
  async bare(blob: Buffer, from: Scope['context'], to: Scope): Promise<Buffer> {
    const moved = await this.#reEncrypt(blob, from, this.#keyId, to.directContext)
    return Buffer.concat([header(Suite.Direct, keyTag(moved.keyReference)), moved.ciphertext])
  }

  async #newPrefix(encryptedDataKey: Buffer, { context }: Scope): Promise<Buffer> {
    const moved = await this.#reEncrypt(encryptedDataKey, context, this.#keyId, context)
    return envelopePrefix(moved.keyReference, moved.ciphertext)
  }
}
