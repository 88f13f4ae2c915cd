import { inspect } from 'node:util'
import { type DataKeyEvent } from '../../diagnostics'
import { ClosedError, ForgottenError, TamperedCiphertextError, UntrustedKeyError } from '../../errors'
import { type Caller, type KeyReference, type KeyService } from '../../kms/key-service'
import { type StoredKeyCiphertext } from '../ciphertext'
import { keyTag } from '../format'
import { type Refusals } from '../refusals'
import { type Scope } from '../scope'
import { CallsUnderWay } from './calls-under-way'
import { CurrentKeys } from './current-keys'
import { type Found, KeyLookup } from './key-lookup'
import { type Moment, now, since } from './moment'
import { Refresh } from './refresh'
import { type DataKeyStore } from './store'
import { StoredKey, type StoredKeyLimits } from './stored-key'
import { unwrap } from './unwrap'

/** A time at which values were sealed. */
export interface Mark {
  readonly sealedFrom: number
  /** When the row of each key that sealed was last seen alive, or later. */
  readonly aliveAt: Moment
}

/**
 * The stored data keys of one store that are in memory: opened by KMS once for all who wait, opened again in the
 * background while they are used, and looked after: whose row is gone, retired or destroyed seals no more.
 */
export class StoredKeys {
  /** The keys that new values are sealed under. */
  readonly current: CurrentKeys
  readonly #kms: KeyService
  readonly #store: DataKeyStore
  readonly #limits: StoredKeyLimits
  readonly #refusals: Refusals
  readonly #lookup: KeyLookup
  readonly #keys = new Map<string, StoredKey>()
  readonly #calls: CallsUnderWay<StoredKey>
  readonly #refresh: Refresh<StoredKey>
  readonly #background: Caller = {}
  /** Data keys that were opened again, or made, before anyone had to wait for them. */
  refreshed = 0
  #last: StoredKey | undefined
  #usedAt = 0
  /** When the rows of all keys were last seen alive, or later. */
  #aliveAt = now()
  /** When a key last sealed whose row was found retired, destroyed or gone later. */
  #lostSealedAt = -1
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined
  #closed = false
  #isExpecting = false

  constructor(
    kms: KeyService,
    store: DataKeyStore,
    limits: StoredKeyLimits,
    refusals: Refusals,
    counts: { hits: number; misses: number },
  ) {
    this.#calls = new CallsUnderWay(counts)
    this.#kms = kms
    this.#store = store
    this.#limits = limits
    this.#refusals = refusals
    this.#lookup = new KeyLookup(store)
    this.#refresh = new Refresh(limits.maxAge, (key, since) => this.#renew(key, since))
    this.current = new CurrentKeys(kms, store, limits, {
      find: (contextKey, name) => this.#usable(contextKey + name),
      keep: (key) => this.#keep(key),
      lookAgain: () => this.lookAgain(),
      once: (waiting, id, ask) => this.#once(waiting, id, ask),
      drop: (key) => {
        this.#drop(key)
      },
    })
  }

  get size(): number {
    return this.#keys.size
  }

  get store(): DataKeyStore {
    return this.#store
  }

  /** The data key of a ciphertext, or `undefined` if it is not in memory. */
  forOpening(ciphertext: StoredKeyCiphertext, { contextKey }: Scope): StoredKey | undefined {
    const last = this.#last
    const key =
      last?.contextKey === contextKey && last.isNamedAgain(ciphertext)
        ? last
        : this.#keys.get(contextKey + ciphertext.dataKeyName)
    if (!key?.opensStill(this.#limits.maxAge)) return undefined
    this.#usedAt = key.openedAt
    return (this.#last = key)
  }

  /** True if the data key that a ciphertext names is in memory or in the store; destroyed ones are. */
  async isStored({ dataKeyId, dataKeyName }: StoredKeyCiphertext): Promise<boolean> {
    for (const { name } of this.#keys.values()) if (name === dataKeyName) return true
    return this.#lookup.has(dataKeyId)
  }

  /** The key tag of the KMS key that a data key is under; `undefined` if the data key is not in memory. */
  keyTagOf({ dataKeyName }: StoredKeyCiphertext, { contextKey }: Scope): Buffer | undefined {
    const key = this.#keys.get(contextKey + dataKeyName)
    return key && keyTag(key.row.keyReference)
  }

  /** The data key that opened the last value, if it is one of this scope and may still be used. */
  lastUsed({ contextKey }: Scope): StoredKey | undefined {
    const last = this.#last
    return last?.contextKey === contextKey && last.opensStill(this.#limits.maxAge) ? last : undefined
  }

  /** Values are being read. In a process without data keys, the store gets ready to be asked for them; once. */
  expect(): void {
    if (this.#isExpecting || this.size > 0) return
    this.#isExpecting = true
    this.#store.expect?.()
  }

  /** Looks up together what a page will be opened with. */
  announce(ciphertexts: Iterable<StoredKeyCiphertext>): void {
    this.#lookup.announce(Array.from(ciphertexts, ({ dataKeyId }) => dataKeyId))
  }

  /** Has KMS open the data key that a ciphertext names, once for all who wait for the same. */
  load(ciphertext: StoredKeyCiphertext, scope: Scope, caller?: Caller): Promise<StoredKey> {
    const id = Buffer.from(ciphertext.dataKeyId)
    return this.#once('decrypt', `load ${scope.contextKey}${id.toString('latin1')}`, async () => {
      const found = await this.#lookup.find(id)
      return this.#keep(await this.#open(found, scope, caller))
    })
  }

  /** Counts a value that was served by a data key in memory. */
  hit(purpose: DataKeyEvent['purpose']): void {
    this.#calls.hit(purpose)
  }

  /** Looks at the rows of all keys in memory, with one query; once for all who wait. */
  lookAgain(): Promise<void> {
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined))
    return this.#looking
  }

  /** To be taken before values are sealed. */
  mark(): Mark {
    return { sealedFrom: performance.now(), aliveAt: this.#aliveAt }
  }

  /** True if what was sealed since then may have taken longer than the lease. */
  isOverdue({ aliveAt }: Mark): boolean {
    return since(aliveAt) > this.#limits.lease
  }

  /** Throws `ForgottenError` if a key that sealed since then was retired or destroyed meanwhile. */
  async confirm({ sealedFrom }: Mark): Promise<void> {
    await this.lookAgain()
    if (this.#lostSealedAt < sealedFrom) return
    throw new ForgottenError(
      'the data key of a value was retired or destroyed while the value was on its way to the database, for longer than the lease: it is forgotten, or will be. Write it again.',
    )
  }

  /** Forgets all keys: their rows may be gone. */
  clear(): void {
    for (const key of this.#keys.values()) this.#drop(key)
    this.#lookup.clear()
  }

  /** Zero-fills all keys; from now on every request fails. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#refresh.close()
    this.clear()
  }

  [inspect.custom](): string {
    return `StoredKeys { keys: ${this.size} }`
  }

  #usable(id: string): StoredKey | undefined {
    const key = this.#keys.get(id)
    return key?.isFresh(this.#limits.maxAge) ? key : undefined
  }

  /** The id tells whether what KMS opens is the data key of the row. */
  async #open({ row, seenAt }: Found, scope: Scope, caller: Caller | undefined): Promise<StoredKey> {
    return this.#refusals.ask([scope.contextKey, row.id, row.encrypted ?? ''], async () => {
      try {
        const { plaintext, keyReference } = await unwrap(this.#kms, row, scope.context, 'value', { caller })
        const key = new StoredKey(plaintext, { ...row, keyReference }, scope, seenAt)
        // KMS itself has said which key opened it: who names that by its ARN need not ask again with it.
        key.sealsWith.add(keyReference)
        return key
      } catch (cause) {
        if (!(cause instanceof TamperedCiphertextError)) throw cause
        throw new TamperedCiphertextError(
          `the row of the data key ${row.id.toString('hex')} in ${this.#store.name} holds another data key, or none. Restore the row from a backup.`,
          { cause },
        )
      }
    })
  }

  #keep(key: StoredKey): StoredKey {
    if (this.#closed) {
      key.destroy()
      throw closed()
    }
    const id = key.contextKey + key.name
    const before = this.#keys.get(id)
    if (before === key) return key
    if (before) return this.#merge(before, key)
    if (this.#keys.size === 0) this.#aliveAt = key.aliveAt
    if (this.#keys.size >= this.#limits.maxKeys) this.#makeRoom()
    this.#keys.set(id, key)
    this.#usedAt = performance.now()
    this.#timer ??= setTimeout(() => void this.#tick(), this.#limits.lease / 2).unref()
    if (!key.isOwn) this.#refresh.schedule(key)
    return key
  }

  /** The same key was opened twice, for reading and for writing: others may be using the first. */
  #merge(before: StoredKey, again: StoredKey): StoredKey {
    before.seen(again.row, again.aliveAt)
    before.renew()
    again.destroy()
    if (!before.isOwn) this.#refresh.schedule(before)
    return before
  }

  #makeRoom(): void {
    for (const key of this.#keys.values()) {
      if (this.current.has(key)) continue
      this.#drop(key)
      return
    }
  }

  #drop(key: StoredKey): void {
    const id = key.contextKey + key.name
    if (this.#keys.get(id) === key) this.#keys.delete(id)
    if (this.#last === key) this.#last = undefined
    this.#refresh.cancel(key)
    this.current.drop(key)
    key.destroy()
  }

  /** Twice in each lease: so that in steady state nobody waits to hear that a key is alive. */
  async #tick(): Promise<void> {
    this.#timer = undefined
    const { lease, maxAge } = this.#limits
    for (const key of this.#keys.values()) if (!key.isFresh(maxAge)) this.#drop(key)
    const isUsed = performance.now() - this.#usedAt <= 2 * lease || this.current.isUsed(2 * lease)
    if (isUsed && this.#keys.size > 0) {
      // Should it fail, the lease ends, and then whoever wants to seal asks.
      await this.lookAgain().catch(() => undefined)
      await this.current.renewAhead(() => this.refreshed++).catch(() => undefined)
    }
    if (this.#keys.size === 0) return
    this.#timer ??= setTimeout(() => void this.#tick(), lease / 2).unref()
  }

  async #look(): Promise<void> {
    const keys = [...this.#keys.values()]
    if (keys.length === 0) return
    const seenAt = now()
    const byId = new Map(keys.map(({ name, row }) => [name, row.id]))
    const rows = await this.#store.find([...byId.values()])
    const seen = new Map(rows.map((row) => [row.id.toString('latin1'), row]))
    for (const key of keys) {
      const row = seen.get(key.name)
      const isGone = !row?.encrypted || row.destroyedAt !== undefined
      if (isGone || row.retiredAt || row.destroyAt) {
        // What is rolled back takes its values with it.
        if (!key.isTentative) this.#lostSealedAt = Math.max(this.#lostSealedAt, key.sealedAt)
        this.current.drop(key)
      }
      if (isGone) this.#drop(key)
      else {
        key.seen(row, seenAt)
      }
    }
    this.#aliveAt = seenAt
  }

  /** KMS says that the key may be used still. What it opens is what the row has now: a rotation may have moved it. */
  async #renew(key: StoredKey, since: number): Promise<void> {
    if (key.openedAt <= since && key.sealedAt <= since) return
    const sealsWith = this.current.keyIdsOf(key)
    for (const keyReference of sealsWith.length > 0 ? sealsWith : [undefined]) {
      const isSame = await this.#opensAgain(key, keyReference).catch((error: unknown) => {
        if (error instanceof UntrustedKeyError && keyReference !== undefined)
          this.current.disown(key, keyReference)
        throw error
      })
      if (this.#closed || key.isDestroyed) return
      if (!isSame) {
        this.#drop(key)
        return
      }
    }
    key.renew()
    this.#refresh.schedule(key)
    this.refreshed++
  }

  async #opensAgain(key: StoredKey, keyReference: KeyReference | undefined): Promise<boolean> {
    const options = { caller: this.#background, keyReference }
    const { plaintext } = await unwrap(this.#kms, key.row, key.scope.context, key.row.purpose, options)
    const isSame = !key.isDestroyed && key.is(plaintext)
    plaintext.fill(0)
    return isSame
  }

  #once(
    waiting: DataKeyEvent['purpose'] | undefined,
    id: string,
    ask: () => Promise<StoredKey>,
  ): Promise<StoredKey> {
    return this.#closed ? Promise.reject(closed()) : this.#calls.share(waiting, id, ask)
  }
}

function closed(): ClosedError {
  return new ClosedError('this KmsEncryption was closed. Close it after the last use of the DataSource.')
}
