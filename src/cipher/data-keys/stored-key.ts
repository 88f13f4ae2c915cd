import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { ClosedError } from '../../errors'
import { takeKey } from '../aes-gcm'
import { blindIndexKey, type IndexPlace } from '../blind-index'
import { type CiphertextBytes, type PlaintextBytes, type PlainBytes } from '../bytes'
import { type StoredKeyCiphertext } from '../ciphertext'
import { type Scope } from '../scope'
import { ROOT_LENGTH, SALT_LENGTH, storedKeyId, StoredKeySeal } from '../suites/stored-key/seal'
import { tampered } from '../tampered'
import { type Moment, now, since } from './moment'
import { type StoredDataKey } from './store'

/** Values sealed under one derived key: NIST SP 800-38D, 8.3, for random IVs of 96 bits. */
export const MAX_VALUES_PER_SALT = 2 ** 32
/** Derived keys of one stored data key in memory: one for each process that wrote what is read. */
const MAX_SALTS = 10_000

/** A stored data key in memory, unwrapped. What is sealed under it and opened with it uses keys derived from it. */
export class StoredKey {
  /** The id as a key of maps. */
  readonly name: string
  readonly contextKey: string
  /** `undefined` once it is destroyed. */
  #root: KeyObject | undefined
  readonly #seals = new Map<string, StoredKeySeal>()
  #sealing: { readonly seal: StoredKeySeal; uses: number } | undefined
  #last: { readonly salt: Buffer; readonly seal: StoredKeySeal } | undefined
  #destroyed = false
  #openedByKms = now()
  /** When its row was last seen alive: since before the query that saw it was sent. */
  aliveAt: Moment
  /** When it was last used, by `performance.now()`. */
  sealedAt = 0
  openedAt = 0
  /** True while its row is part of a transaction that may be rolled back. */
  isTentative = false
  /** The KMS keys, as they were named, with which KMS opened or made it: it seals for those who name them. */
  readonly sealsWith = new Set<string>()
  /** True if this process may not decrypt: then KMS never opens it again for it. */
  isOwn = false

  /** Throws `TamperedCiphertextError` if these are not the bytes that the id was derived from. */
  constructor(
    /** The 32 bytes; zero-filled here. */
    root: Buffer,
    /** As it was when it was last looked at. */
    public row: StoredDataKey,
    /** One of the scopes that may use it: all those with this context. */
    readonly scope: Pick<Scope, 'context' | 'contextKey'>,
    seenAt: Moment,
  ) {
    const isRight = root.length === ROOT_LENGTH && storedKeyId(root).equals(row.id)
    if (!isRight) {
      root.fill(0)
      throw tampered()
    }
    this.#root = takeKey(root)
    this.name = row.id.toString('latin1')
    this.contextKey = scope.contextKey
    this.aliveAt = seenAt
  }

  get isDestroyed(): boolean {
    return this.#destroyed
  }

  /** True while it may be used at all: KMS opened it no longer ago than `maxAge` milliseconds. */
  isFresh(maxAge: number): boolean {
    return !this.#destroyed && (this.isOwn || since(this.#openedByKms) <= maxAge)
  }

  /** KMS has opened it again. */
  renew(): void {
    this.#openedByKms = now()
  }

  /** True if these are the bytes of the key. */
  is(root: Buffer): boolean {
    return root.length === ROOT_LENGTH && this.#material.equals(createSecretKey(root))
  }

  /** True if a ciphertext names this data key. */
  isNamedBy({ bytes }: StoredKeyCiphertext): boolean {
    const { id } = this.row
    return bytes.compare(id, 0, id.length, 3, 3 + id.length) === 0
  }

  /** Seals a value under the salt of this process. */
  seal(plaintext: string | PlainBytes, scope: Scope): CiphertextBytes {
    this.sealedAt = performance.now()
    if (!this.#sealing || this.#sealing.uses >= MAX_VALUES_PER_SALT) {
      this.#sealing = { seal: this.#sealOf(randomBytes(SALT_LENGTH)), uses: 0 }
    }
    this.#sealing.uses++
    return this.#sealing.seal.seal(plaintext, scope)
  }

  /** Throws `TamperedCiphertextError`. */
  open(ciphertext: StoredKeyCiphertext, scope: Scope): PlaintextBytes {
    this.openedAt = performance.now()
    const { salt } = ciphertext
    if (!this.#last?.salt.equals(salt)) this.#last = { salt: Buffer.from(salt), seal: this.#sealOf(salt) }
    return this.#last.seal.open(ciphertext, scope)
  }

  /** The key of a blind index. */
  indexKey(place: IndexPlace): Buffer {
    this.openedAt = performance.now()
    const root = this.#material.export()
    try {
      return blindIndexKey(root, place)
    } finally {
      root.fill(0)
    }
  }

  destroy(): void {
    if (this.#destroyed) return
    this.#destroyed = true
    // Whoever was handed this key in the current turn of the event loop may still finish with it.
    setImmediate(() => {
      this.#root = undefined
      this.#seals.clear()
      this.#sealing = this.#last = undefined
    })
  }

  [inspect.custom](): string {
    return `StoredKey { id: '${this.row.id.toString('hex')}' }`
  }

  get #material(): KeyObject {
    if (!this.#root) throw new ClosedError('the data key is no longer in memory. Repeat the operation.')
    return this.#root
  }

  #sealOf(salt: Buffer): StoredKeySeal {
    const name = salt.toString('latin1')
    let seal = this.#seals.get(name)
    if (seal) return seal
    const [oldest] = this.#seals.keys()
    if (this.#seals.size >= MAX_SALTS && oldest !== undefined) this.#seals.delete(oldest)
    seal = new StoredKeySeal(this.#material, salt, this.row.id)
    this.#seals.set(name, seal)
    return seal
  }
}
