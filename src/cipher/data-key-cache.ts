import { inspect } from 'node:util'
import { TTLCache } from '@isaacs/ttlcache'
import { channels, type DataKeyEvent } from '../diagnostics'
import { ClosedError } from '../errors'
import { type KeyService } from '../kms/key-service'
import { DataKey, dataKeyId } from './data-key'
import { HEADER_LENGTH } from './format'
import { type Scope } from './scope'

/** How long and how often a plaintext data key is reused. */
export interface DataKeyLimits {
  /** Milliseconds. */
  maxAge: number
  /** Values sealed under one data key. */
  maxValues: number
  /** Data keys in memory at once. */
  maxKeys: number
}

/**
 * The plaintext data keys in memory: one call to KMS for concurrent requests of the same key, reuse within the
 * limits, zero-fill of each key that leaves.
 */
export class DataKeyCache {
  readonly #kms: KeyService
  readonly #limits: DataKeyLimits
  /** By context and encrypted data key; for reading. */
  readonly #keys: TTLCache<string, DataKey>
  /** The key that new values are sealed with, by KMS key and context. Each is also in `#keys`, which owns it. */
  readonly #current = new Map<string, DataKey>()
  /** Calls under way, by what they will bring. */
  readonly #underWay = new Map<string, Promise<DataKey>>()
  /** The key that was used last: the rows of a page mostly share one, and so do those of a save. */
  #last: DataKey | undefined
  #lastSealing: { keyId: string; key: DataKey } | undefined
  #closed = false
  readonly counts = { hits: 0, misses: 0 }

  constructor(kms: KeyService, limits: DataKeyLimits) {
    this.#kms = kms
    this.#limits = limits
    this.#keys = new TTLCache({
      max: limits.maxKeys,
      ttl: limits.maxAge,
      dispose: (key) => {
        key.destroy()
        for (const [id, current] of this.#current) if (current === key) this.#current.delete(id)
      },
    })
  }

  /** Number of data keys in memory. */
  get size(): number {
    return this.#keys.size
  }

  /** A data key for one more value, or `undefined` if KMS must be asked. */
  forSealing(keyId: string, scope: Scope): DataKey | undefined {
    const key = this.#currentKey(keyId, scope)
    return key && this.hasUsesLeft(key) && key.isFresh(this.#limits.maxAge) ? key : undefined
  }

  hasUsesLeft(key: DataKey): boolean {
    return key.uses < this.#limits.maxValues
  }

  /** Asks KMS for a new data key, once for all who wait for one of the same kind. */
  generate(keyId: string, scope: Scope): Promise<DataKey> {
    const id = sealingId(keyId, scope)
    return this.#once('encrypt', `generate ${id}`, async () => {
      const { plaintext, encrypted, keyReference } = await this.#kms.generateDataKey(keyId, scope.context)
      const key = this.#keep(new DataKey(plaintext, encrypted, keyReference, scope.contextKey))
      this.#current.set(id, key)
      this.#lastSealing = { keyId, key }
      return key
    })
  }

  /** The data key of an envelope ciphertext, or `undefined` if KMS must be asked. `end`: of its encrypted key. */
  forOpening(ciphertext: Buffer, end: number, scope: Scope): DataKey | undefined {
    const key = this.#find(ciphertext, end, scope)
    if (key) this.hit('decrypt')
    return key
  }

  /** The data key that was used last for reading, if it is one of this scope and may still be used. */
  lastUsed({ contextKey }: Scope): DataKey | undefined {
    const last = this.#last
    return last?.contextKey === contextKey && last.isFresh(this.#limits.maxAge) ? last : undefined
  }

  /** True if the data key of an envelope ciphertext is in memory. */
  has(ciphertext: Buffer, end: number, scope: Scope): boolean {
    return this.#find(ciphertext, end, scope) !== undefined
  }

  /** Asks KMS to decrypt the data key of a ciphertext, once for all who wait for the same. */
  load(ciphertext: Buffer, end: number, scope: Scope): Promise<DataKey> {
    const id = scope.contextKey + dataKeyId(ciphertext, end)
    return this.#once('decrypt', `load ${id}`, async () => {
      const encrypted = Buffer.from(ciphertext.subarray(HEADER_LENGTH + 2, end))
      const { plaintext, keyReference } = await this.#kms.decrypt(encrypted, scope.context)
      return this.#keep(new DataKey(plaintext, encrypted, keyReference, scope.contextKey))
    })
  }

  /** Counts a value that was served by a data key in memory. */
  hit(purpose: DataKeyEvent['purpose']): void {
    this.counts.hits++
    publish(purpose, 'hit')
  }

  /** Zero-fills all keys; from now on every request fails. */
  close(): void {
    this.#closed = true
    this.#last = undefined
    this.#lastSealing = undefined
    this.#keys.clear()
  }

  [inspect.custom](): string {
    return `DataKeyCache { keys: ${this.size} }`
  }

  /** The key that new values are sealed with, whether or not it may be used any more. */
  #currentKey(keyId: string, scope: Scope): DataKey | undefined {
    const last = this.#lastSealing
    if (last?.keyId === keyId && last.key.contextKey === scope.contextKey) return last.key
    const key = this.#current.get(sealingId(keyId, scope))
    if (key) this.#lastSealing = { keyId, key }
    return key
  }

  #find(ciphertext: Buffer, end: number, scope: Scope): DataKey | undefined {
    const last = this.lastUsed(scope)
    if (last?.opens(ciphertext, end)) return last
    const key = this.#keys.get(scope.contextKey + dataKeyId(ciphertext, end))
    return key?.isFresh(this.#limits.maxAge) ? (this.#last = key) : undefined
  }

  #keep(key: DataKey): DataKey {
    if (this.#closed) {
      key.destroy()
      throw closed()
    }
    this.#keys.set(key.contextKey + key.id, key)
    return key
  }

  #once(purpose: DataKeyEvent['purpose'], id: string, ask: () => Promise<DataKey>): Promise<DataKey> {
    if (this.#closed) return Promise.reject(closed())
    let promise = this.#underWay.get(id)
    if (!promise) {
      this.counts.misses++
      publish(purpose, 'miss')
      promise = ask().finally(() => this.#underWay.delete(id))
      this.#underWay.set(id, promise)
    }
    return promise
  }
}

function publish(purpose: DataKeyEvent['purpose'], outcome: DataKeyEvent['outcome']): void {
  if (channels.dataKey.hasSubscribers) channels.dataKey.publish({ purpose, outcome } satisfies DataKeyEvent)
}

function sealingId(keyId: string, scope: Scope): string {
  return `${keyId}\0${scope.contextKey}`
}

function closed(): ClosedError {
  return new ClosedError('this KmsEncryption was closed. Close it after the last use of the DataSource.')
}
