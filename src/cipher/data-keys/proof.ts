import { KmsEncryptionError, SelfCheckError } from '../../errors'
import { isOfOtherScope } from '../../errors/kinds'
import { asEncryptedDataKey } from '../../kms/bytes'
import { type KeyService } from '../../kms/key-service'
import { type EnvelopeCiphertext, parse } from '../ciphertext'
import { type Scope } from '../scope'
import { DataKey } from './data-key'

/**
 * Proves that KMS opens the data key of a ciphertext, and to the key that it was sealed with: once per data key, with
 * one call. What was made with a data key from KMS opens with the copy in memory, whatever the encrypted copy is worth;
 * but only that is stored.
 *
 * For those who are about to destroy an original. See docs/decisions/0012-trust-in-answers-of-kms.md.
 */
export class DataKeyProof {
  readonly #kms: KeyService
  readonly #proven = new Map<string, Promise<void>>()

  constructor(kms: KeyService) {
    this.#kms = kms
  }

  /** Throws `SelfCheckError` if the ciphertext could not be opened once its data key is no longer in memory. */
  prove(sealed: Buffer, scope: Scope): Promise<void> | undefined {
    const parsed = parse(sealed)
    if (parsed.kind !== 'ciphertext' || parsed.suite !== 'envelope') return undefined
    const id = scope.contextKey + parsed.dataKeyId
    let proof = this.#proven.get(id)
    if (!proof) {
      proof = this.#open(parsed, scope)
      this.#proven.set(id, proof)
      proof.catch(() => this.#proven.delete(id))
    }
    return proof
  }

  async #open(ciphertext: EnvelopeCiphertext, scope: Scope): Promise<void> {
    const encrypted = asEncryptedDataKey(ciphertext.encryptedDataKey)
    try {
      const { plaintext, keyReference } = await this.#kms.decrypt(encrypted, scope.context)
      const key = new DataKey(plaintext, encrypted, keyReference, scope)
      try {
        key.open(ciphertext, scope.aad).fill(0)
      } finally {
        key.destroy()
      }
    } catch (cause) {
      if (!(cause instanceof KmsEncryptionError) || !isOfOtherScope(cause)) throw cause
      throw new SelfCheckError(
        'KMS does not open the new data key to the key that it gave. Nothing was stored. Repeat the operation; if it fails again, check what stands between this process and KMS.',
        { cause },
      )
    }
  }
}
