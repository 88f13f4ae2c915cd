import { KmsEncryptionError, SelfCheckError } from '../../errors'
import { isOfOtherScope } from '../../errors/kinds'
import { asEncryptedDataKey } from '../../kms/bytes'
import { type KeyService } from '../../kms/key-service'
import { type EnvelopeCiphertext, parse, type StoredKeyCiphertext } from '../ciphertext'
import { type Scope } from '../scope'
import { StoredKeySeal } from '../suites/stored-key/seal'
import { DataKey } from './data-key'
import { type DataKeyStore } from './store'
import { unwrap } from './unwrap'

/**
 * Proves that KMS opens the data key of a ciphertext, and to the key that it was sealed with: once per data key, with
 * one call. What was made with a data key from KMS opens with the copy in memory, whatever the encrypted copy is worth;
 * but only that is stored.
 *
 * For those who are about to destroy an original. See docs/decisions/0012-trust-in-answers-of-kms.md.
 */
export class DataKeyProof {
  readonly #kms: KeyService
  readonly #store: DataKeyStore | undefined
  readonly #proven = new Map<string, Promise<void>>()

  /** `store`: of the stored data keys, if there is one. */
  constructor(kms: KeyService, store?: DataKeyStore) {
    this.#kms = kms
    this.#store = store
  }

  /** Throws `SelfCheckError` if the ciphertext could not be opened once its data key is no longer in memory. */
  prove(sealed: Buffer, scope: Scope): Promise<void> | undefined {
    const parsed = parse(sealed)
    if (parsed.kind !== 'ciphertext') return undefined
    if (parsed.suite !== 'envelope' && parsed.suite !== 'stored-key') return undefined
    const id = `${scope.contextKey}${parsed.suite}${parsed.dataKeyId.toString('latin1')}`
    let proof = this.#proven.get(id)
    if (!proof) {
      proof = parsed.suite === 'envelope' ? this.#open(parsed, scope) : this.#openStored(parsed, scope)
      this.#proven.set(id, proof)
      proof.catch(() => this.#proven.delete(id))
    }
    return proof
  }

  /** What the store has must be what KMS opens: a copy in memory is worth nothing tomorrow. */
  async #openStored(ciphertext: StoredKeyCiphertext, scope: Scope): Promise<void> {
    const { dataKeyId, salt } = ciphertext
    const [row] = (await this.#store?.find([dataKeyId])) ?? []
    if (!row?.encrypted) {
      throw new SelfCheckError(
        'the new data key is not in the table of stored data keys. Nothing was stored. Repeat the operation.',
      )
    }
    try {
      const { plaintext } = await unwrap(this.#kms, row, scope.context, 'value')
      try {
        // Opening compares the id as well.
        new StoredKeySeal(plaintext, salt).open(ciphertext, scope).fill(0)
      } finally {
        plaintext.fill(0)
      }
    } catch (cause) {
      throw notTheSame(cause)
    }
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
      throw notTheSame(cause)
    }
  }
}

function notTheSame(cause: unknown): unknown {
  if (!(cause instanceof KmsEncryptionError) || !isOfOtherScope(cause)) return cause
  return new SelfCheckError(
    'KMS does not open the new data key to the key that it gave. Nothing was stored. Repeat the operation; if it fails again, check what stands between this process and KMS.',
    { cause },
  )
}
