import { inspect } from 'node:util'
import { type DataKeyEvent } from '../../diagnostics'
import { ClosedError, KmsRequestError } from '../../errors'
import { asEncryptedDataKey } from '../../kms/bytes'
import { type Caller, type GeneratedDataKey, type KeyService } from '../../kms/key-service'
import { KEY_LENGTH } from '../aes-gcm'
import { type EnvelopeCiphertext, isEncryptedDataKeyLength } from '../ciphertext'
import { ExpiringMap } from '../expiring-map'
import { Refusals } from '../refusals'
import { type Scope } from '../scope'
import { CallsUnderWay } from './calls-under-way'
import { DataKey } from './data-key'
import { Refresh } from './refresh'

/** How long and how often a plaintext data key is reused. */
export interface DataKeyLimits {
  /** Milliseconds. */
  maxAge: number
  /** Values sealed under one data key. */
  maxValues: number
  /** Data keys in memory at once. */
  maxKeys: number
}

/** The key that new values are sealed with under one KMS key and context. */
interface Sealing {
  readonly keyId: string
  readonly scope: Scope
  readonly key: DataKey
  /** Its successor was asked for, because it will soon have sealed `maxValues`. */
  isReplaced: boolean
}

/** The part of `maxValues` after which the next data key is made. */
const NEARLY_USED_UP = 0.9

/**
 * The plaintext data keys in memory: one call to KMS for concurrent requests of the same key, reuse within the
 * limits, renewal ahead of them, an end to each key that leaves.
 */
export class DataKeyCache {
  readonly #kms: KeyService
  readonly #limits: DataKeyLimits
  readonly #refusals: Refusals
  readonly #refresh: Refresh<DataKey>
  /** By context and encrypted data key; for reading. */
  readonly #keys: ExpiringMap<DataKey>
  /** By KMS key and context; for writing. Each key is also in `#keys`, which owns it. */
  readonly #sealing = new Map<string, Sealing>()
  readonly #calls = new CallsUnderWay<DataKey>()
  /** The key that was used last: the rows of a page mostly share one, and so do those of a save. */
  #last: DataKey | undefined
  #lastSealing: Sealing | undefined
  #closed = false
  /** The queue before KMS gives what runs in the background a turn of its own. */
  readonly #background: Caller = {}
  /** Data keys that were fetched before anyone had to wait for them. */
  refreshed = 0

  constructor(kms: KeyService, limits: DataKeyLimits, refusals = new Refusals()) {
    this.#kms = kms
    this.#limits = limits
    this.#refusals = refusals
    this.#refresh = new Refresh(limits.maxAge, (key, since) => this.#renew(key, since))
    this.#keys = new ExpiringMap({
      max: limits.maxKeys,
      lifetime: limits.maxAge,
      left: (key) => {
        key.destroy()
        this.#refresh.cancel(key)
        for (const [id, sealing] of this.#sealing) if (sealing.key === key) this.#sealing.delete(id)
      },
    })
  }

  /** `hits`: values served by a data key in memory. `misses`: calls to KMS that someone waited for. */
  get counts(): { hits: number; misses: number } {
    return this.#calls.counts
  }

  /** Milliseconds for which a data key is used. */
  get maxAge(): number {
    return this.#limits.maxAge
  }

  /** Most data keys in memory at once. */
  get maxKeys(): number {
    return this.#limits.maxKeys
  }

  /** Number of data keys in memory. */
  get size(): number {
    return this.#keys.size
  }

  /** A data key for one more value, or `undefined` if KMS must be asked. */
  forSealing(keyId: string, scope: Scope): DataKey | undefined {
    const sealing = this.#sealingWith(keyId, scope)
    if (!sealing?.key.seals(this.#limits.maxAge)) return undefined
    const { uses } = sealing.key
    if (uses >= this.#limits.maxValues * NEARLY_USED_UP) this.#replace(sealing)
    return uses < this.#limits.maxValues ? sealing.key : undefined
  }

  hasUsesLeft(key: DataKey): boolean {
    return key.uses < this.#limits.maxValues
  }

  /** Asks KMS for a new data key, once for all who wait for one of the same kind. */
  generate(keyId: string, scope: Scope): Promise<DataKey> {
    return this.#generate(keyId, scope, 'encrypt')
  }

  /** The data key of an envelope ciphertext, or `undefined` if KMS must be asked. */
  forOpening(ciphertext: EnvelopeCiphertext, scope: Scope): DataKey | undefined {
    const key = this.#find(ciphertext, scope)
    if (key) this.hit('decrypt')
    return key
  }

  /** The data key that was used last for reading, if it is one of this scope and may still be used. */
  lastUsed({ contextKey }: Scope): DataKey | undefined {
    const last = this.#last
    return last?.contextKey === contextKey && last.opensStill(this.#limits.maxAge) ? last : undefined
  }

  /** True if the data key of an envelope ciphertext is in memory. */
  has(ciphertext: EnvelopeCiphertext, scope: Scope): boolean {
    return this.#find(ciphertext, scope) !== undefined
  }

  /** Asks KMS to decrypt the data key of a ciphertext, once for all who wait for the same. */
  load(ciphertext: EnvelopeCiphertext, scope: Scope, caller?: Caller): Promise<DataKey> {
    const { dataKeyId } = ciphertext
    return this.#once('decrypt', `load ${scope.contextKey}${dataKeyId}`, () =>
      this.#refusals.ask([scope.contextKey, dataKeyId], async () => {
        const encrypted = asEncryptedDataKey(Buffer.from(ciphertext.encryptedDataKey))
        const { plaintext, keyReference } = await this.#kms.decrypt(encrypted, scope.context, { caller })
        return this.#keep(new DataKey(plaintext, encrypted, keyReference, scope))
      }),
    )
  }

  /** Counts a value that was served by a data key in memory. */
  hit(purpose: DataKeyEvent['purpose']): void {
    this.#calls.hit(purpose)
  }

  /** Zero-fills all keys; from now on every request fails. */
  close(): void {
    this.#closed = true
    this.#last = undefined
    this.#lastSealing = undefined
    this.#refresh.close()
    this.#keys.clear()
  }

  [inspect.custom](): string {
    return `DataKeyCache { keys: ${this.size} }`
  }

  /** The key that new values are sealed with, whether or not it may be used any more. */
  #sealingWith(keyId: string, scope: Scope): Sealing | undefined {
    const last = this.#lastSealing
    if (last?.keyId === keyId && last.key.contextKey === scope.contextKey) return last
    const sealing = this.#sealing.get(sealingId(keyId, scope))
    if (sealing) this.#lastSealing = sealing
    return sealing
  }

  #find(ciphertext: EnvelopeCiphertext, scope: Scope): DataKey | undefined {
    const last = this.lastUsed(scope)
    if (last?.opens(ciphertext)) return last
    const key = this.#keys.get(scope.contextKey + ciphertext.dataKeyId)
    return key?.opensStill(this.#limits.maxAge) ? (this.#last = key) : undefined
  }

  #generate(keyId: string, scope: Scope, waiting: DataKeyEvent['purpose'] | undefined): Promise<DataKey> {
    const id = sealingId(keyId, scope)
    return this.#once(waiting, `generate ${id}`, async () => {
      const caller = waiting ? undefined : this.#background
      const answer = await this.#kms.generateDataKey(keyId, scope.context, { caller })
      checkGenerated(answer)
      const key = this.#keep(new DataKey(answer.plaintext, answer.encrypted, answer.keyReference, scope))
      const sealing = { keyId, scope, key, isReplaced: false }
      this.#sealing.set(id, sealing)
      this.#lastSealing = sealing
      return key
    })
  }

  /** Has the next key made while this one still seals; once, so that failures are not repeated with every value. */
  #replace(sealing: Sealing): void {
    if (sealing.isReplaced || this.#limits.maxValues < 1 / (1 - NEARLY_USED_UP)) return
    sealing.isReplaced = true
    this.#generate(sealing.keyId, sealing.scope, undefined).then(
      () => this.refreshed++,
      () => undefined,
    )
  }

  /** Fetches anew what a key was used for since then: for sealing a new key, for opening the same one. */
  async #renew(key: DataKey, since: number): Promise<void> {
    const sealing = [...this.#sealing.values()].find((each) => each.key === key)
    await Promise.all([
      sealing && key.sealedAt > since ? this.#generateAhead(sealing) : undefined,
      key.openedAt > since ? this.#loadAgain(key) : undefined,
    ])
  }

  async #generateAhead({ keyId, scope }: Sealing): Promise<void> {
    await this.#generate(keyId, scope, undefined)
    this.refreshed++
  }

  /** KMS says that the key may be used still. If it answers with another one, what was sealed with it cannot be read. */
  async #loadAgain(key: DataKey): Promise<void> {
    const { plaintext } = await this.#kms.decrypt(key.encrypted, key.scope.context, {
      caller: this.#background,
    })
    const isSame = !key.isDestroyed && key.is(plaintext)
    plaintext.fill(0)
    if (key.isDestroyed) return
    if (!isSame) {
      this.#keys.delete(key.contextKey + key.id)
      return
    }
    key.renew()
    this.#keys.set(key.contextKey + key.id, key)
    this.#refresh.schedule(key)
    this.refreshed++
  }

  #keep(key: DataKey): DataKey {
    if (this.#closed) {
      key.destroy()
      throw closed()
    }
    this.#keys.set(key.contextKey + key.id, key)
    this.#refresh.schedule(key)
    return key
  }

  #once(
    purpose: DataKeyEvent['purpose'] | undefined,
    id: string,
    ask: () => Promise<DataKey>,
  ): Promise<DataKey> {
    return this.#closed ? Promise.reject(closed()) : this.#calls.share(purpose, id, ask)
  }
}

/** What could never be read again is not taken from KMS. */
function checkGenerated({ plaintext, encrypted }: GeneratedDataKey): void {
  if (plaintext.length === KEY_LENGTH && isEncryptedDataKeyLength(encrypted.length)) return
  plaintext.fill(0)
  throw new KmsRequestError(
    `KMS answered GenerateDataKey with a key of ${plaintext.length} bytes, encrypted in ${encrypted.length}: that is no data key. Nothing was encrypted with it.`,
  )
}

function sealingId(keyId: string, scope: Scope): string {
  return `${keyId}\0${scope.contextKey}`
}

function closed(): ClosedError {
  return new ClosedError('this KmsEncryption was closed. Close it after the last use of the DataSource.')
}
