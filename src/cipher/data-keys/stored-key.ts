import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { ClosedError } from '../../errors'
import { takeKey } from '../aes-gcm'
import { blindIndexKey, type IndexPlace } from '../blind-index'
import { BoundedMap } from '../bounded-map'
import { type CiphertextBytes, type PlaintextBytes, type PlainBytes } from '../bytes'
import { type StoredKeyCiphertext } from '../ciphertext'
import { type Scope } from '../scope'
import {
  namedBy,
  NAMED,
  ROOT_LENGTH,
  SALT_LENGTH,
  SHORTEST,
  storedKeyId,
  StoredKeySeal,
} from '../suites/stored-key/seal'
import { tampered } from '../tampered'
import { type Moment, now, since } from './moment'
import { type StoredDataKey } from './store'

/** How long stored data keys are used. */
export interface StoredKeyLimits {
  /** Milliseconds that a data key stays in memory after KMS opened it. */
  readonly maxAge: number
  /** Data keys in memory at once. */
  readonly maxKeys: number
  /** Milliseconds after which a new one is made. */
  readonly renewAfter: number
  /** Milliseconds for which one seals after its row was last seen alive. */
  readonly lease: number
}

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
  readonly #seals = new BoundedMap<string, StoredKeySeal>(MAX_SALTS)
  #sealing: { readonly seal: StoredKeySeal; uses: number } | undefined
  /** Of the value that was opened last: a page mostly has few writers. */
  #last: StoredKeySeal | undefined
  #indexKeys = new WeakMap<IndexPlace, KeyObject>()
  #destroyed = false
  /** Of what every ciphertext begins with that names it: the first bytes and the last ones, and all in base64. */
  readonly #start: number
  readonly #end: number
  readonly #base64: string
  #openedByKms = now()
  #row: StoredDataKey
  #aliveAt: Moment
  /** Until when it may seal, by both clocks; computed where it is asked for. */
  #sealsUntil: Moment | undefined
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
    row: StoredDataKey,
    /** One of the scopes that may use it: all those with this context. */
    readonly scope: Pick<Scope, 'context' | 'contextKey'>,
    seenAt: Moment,
    /** Given by tests only. */
    readonly valuesPerSalt = MAX_VALUES_PER_SALT,
  ) {
    const isRight = root.length === ROOT_LENGTH && storedKeyId(root).equals(row.id)
    if (!isRight) {
      root.fill(0)
      throw tampered()
    }
    this.#root = takeKey(root)
    const named = namedBy(row.id)
    this.#start = named.readUInt32BE(0)
    this.#end = named.readUInt32BE(NAMED - 4)
    this.#base64 = named.toString('base64', 0, NAMED - (NAMED % 3))
    this.name = row.id.toString('latin1')
    this.contextKey = scope.contextKey
    this.#row = row
    this.#aliveAt = seenAt
  }

  /** As it was when it was last looked at. */
  get row(): StoredDataKey {
    return this.#row
  }

  /** When its row was last seen alive: since before the query that saw it was sent. */
  get aliveAt(): Moment {
    return this.#aliveAt
  }

  /** Its row was seen alive. */
  seen(row: StoredDataKey, at: Moment): void {
    this.#row = row
    this.#aliveAt = at
    this.#sealsUntil = undefined
  }

  get isDestroyed(): boolean {
    return this.#destroyed
  }

  /** True while it may be used at all: KMS opened it no longer ago than `maxAge` milliseconds. */
  isFresh(maxAge: number): boolean {
    return !this.#destroyed && (this.isOwn || since(this.#openedByKms) <= maxAge)
  }

  /** The same for one that is about to open a value. */
  opensStill(maxAge: number): boolean {
    this.openedAt = performance.now()
    return !this.#destroyed && this.openedAt - this.#openedByKms.monotonic <= maxAge
  }

  /** True while it may seal, for one that is about to. This runs for each value. */
  sealsStill(limits: StoredKeyLimits): boolean {
    this.#sealsUntil ??= this.#lastMoment(limits)
    const { monotonic, wall } = this.#sealsUntil
    const at = performance.now()
    const seals = !this.#destroyed && at <= monotonic && Date.now() <= wall
    // One that was asked and could not has sealed nothing that may be lost.
    if (seals) this.sealedAt = at
    return seals
  }

  /** KMS has opened it again. */
  renew(): void {
    this.#openedByKms = now()
    this.#sealsUntil = undefined
  }

  /** True if these are the bytes of the key. */
  is(root: Buffer): boolean {
    return root.length === ROOT_LENGTH && this.#material.equals(createSecretKey(root))
  }

  /** True if a ciphertext names the data key, and it is the one that opened the last value. */
  isNamedAgain(ciphertext: StoredKeyCiphertext): boolean {
    return this.#last !== undefined && ciphertext.namesLike(this.#last.prefix)
  }

  /** True for every ciphertext that names this data key, and for hardly any other: it looks at a few bytes. */
  seemsToOpen(ciphertext: Buffer): boolean {
    return (
      ciphertext.length >= SHORTEST &&
      ciphertext.readUInt32BE(0) === this.#start &&
      ciphertext.readUInt32BE(NAMED - 4) === this.#end
    )
  }

  /** The same for a ciphertext in base64, which need not be decoded for it. */
  seemsToOpenText(ciphertext: string): boolean {
    return ciphertext.startsWith(this.#base64)
  }

  /** Seals a value under the salt of this process. */
  seal(plaintext: string | PlainBytes, scope: Scope): CiphertextBytes {
    if (!this.#sealing || this.#sealing.uses >= this.valuesPerSalt) {
      this.#sealing = { seal: this.#sealOf(randomBytes(SALT_LENGTH)), uses: 0 }
    }
    this.#sealing.uses++
    return this.#sealing.seal.seal(plaintext, scope)
  }

  /** Throws `TamperedCiphertextError`. */
  open(ciphertext: StoredKeyCiphertext, scope: Scope): PlaintextBytes {
    if (this.#last?.isOf(ciphertext) !== true)
      this.#last = this.#seals.get(ciphertext.saltName) ?? this.#sealOf(ciphertext.salt)
    return this.#last.open(ciphertext, scope)
  }

  /** The key of a blind index, derived once for each place. */
  indexKey(place: IndexPlace): KeyObject {
    this.openedAt = this.sealedAt = performance.now()
    let key = this.#indexKeys.get(place)
    if (key) return key
    this.#indexKeys.set(place, (key = blindIndexKey(this.#material, place)))
    return key
  }

  destroy(): void {
    this.#destroyed = true
    // Whoever was handed this key in the current turn of the event loop may still finish with it.
    setImmediate(() => {
      this.#root = undefined
      this.#indexKeys = new WeakMap()
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

  #lastMoment({ maxAge, lease, renewAfter }: StoredKeyLimits): Moment {
    const age = this.#row.purpose === 'index' ? Infinity : renewAfter
    const opened = this.isOwn ? { monotonic: Infinity, wall: Infinity } : this.#openedByKms
    return {
      monotonic: Math.min(opened.monotonic + maxAge, this.#aliveAt.monotonic + lease),
      wall: Math.min(opened.wall + maxAge, this.#aliveAt.wall + lease, this.#row.createdAt.getTime() + age),
    }
  }

  #sealOf(salt: Buffer): StoredKeySeal {
    const seal = new StoredKeySeal(this.#material, salt, this.row.id)
    this.#seals.set(salt.toString('latin1'), seal)
    return seal
  }
}
