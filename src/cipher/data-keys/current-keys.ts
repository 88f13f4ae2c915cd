import { type DataKeyEvent } from '../../diagnostics'
import {
  AccessDeniedError,
  ForgedDataKeyError,
  KeyTableUnavailableError,
  KmsRequestError,
  UntrustedKeyError,
} from '../../errors'
import { isOfOtherScope } from '../../errors/kinds'
import { type GeneratedDataKey, type KeyService } from '../../kms/key-service'
import { isEncryptedDataKeyLength } from '../ciphertext'
import { type Scope } from '../scope'
import { ROOT_LENGTH, storedKeyId } from '../suites/stored-key/seal'
import { type Moment, now, since } from './moment'
import {
  contextHash,
  contextText,
  type DataKeyPurpose,
  type DataKeyStore,
  type NewDataKey,
  storedContext,
  type StoredDataKey,
} from './store'
import { StoredKey, type StoredKeyLimits } from './stored-key'
import { unwrap } from './unwrap'

/** Who keeps the keys: what is current is in memory, too. */
export interface Keeper {
  find(contextKey: string, name: string): StoredKey | undefined
  keep(key: StoredKey): StoredKey
  drop(key: StoredKey): void
  /** Looks at the rows of all keys in memory. */
  lookAgain(): Promise<void>
  once(
    waiting: DataKeyEvent['purpose'] | undefined,
    id: string,
    ask: () => Promise<StoredKey>,
  ): Promise<StoredKey>
}

/** What a key is wanted for. */
export interface Wanted {
  readonly purpose: DataKeyPurpose
  readonly keyId: string
  readonly scope: Scope
}

interface Current extends Wanted {
  readonly key: StoredKey
}

/** Rows that KMS is asked about before a new data key is made: those under other KMS keys may be many, or forged. */
const MAX_TRIED = 8
/** How often a data key is made in transactions that end meanwhile. */
const MAX_ATTEMPTS = 5
/** Milliseconds by which the clocks of processes may differ. */
const CLOCKS_APART = 86_400_000

/** The data keys that new values are sealed under: one for each purpose, context and KMS key, the newest of the store. */
export class CurrentKeys {
  readonly #kms: KeyService
  readonly #store: DataKeyStore
  readonly #limits: StoredKeyLimits
  readonly #keeper: Keeper
  readonly #current = new Map<string, Current>()
  #last: Current | undefined
  /** KMS keys with which this process may not decrypt, and since when that is known. */
  readonly #denied = new Map<string, Moment>()
  /** How often a transaction was rolled back, or may have been. */
  #undone = 0

  constructor(kms: KeyService, store: DataKeyStore, limits: StoredKeyLimits, keeper: Keeper) {
    this.#kms = kms
    this.#store = store
    this.#limits = limits
    this.#keeper = keeper
  }

  /** The data key for one more value, or `undefined` if the store or KMS must be asked. */
  get(keyId: string, scope: Scope, purpose: DataKeyPurpose = 'value'): StoredKey | undefined {
    let current = this.#last
    if (
      current?.keyId !== keyId ||
      current.scope.contextKey !== scope.contextKey ||
      current.purpose !== purpose
    ) {
      current = this.#current.get(nameOf({ keyId, scope, purpose }))
      if (current) this.#last = current
    }
    return current && this.#seals(current.key) ? current.key : undefined
  }

  /** Finds or makes the data key, once for all who wait for it. */
  acquire(wanted: Wanted): Promise<StoredKey> {
    return this.#keeper.once('encrypt', `current ${nameOf(wanted)}`, async () => {
      const { keyId, scope, purpose } = wanted
      const lapsed = this.#current.get(nameOf(wanted))
      if (lapsed && !lapsed.key.isDestroyed && since(lapsed.key.aliveAt) > this.#limits.lease) {
        await this.#keeper.lookAgain()
        const key = this.get(keyId, scope, purpose)
        if (key) return key
      }
      return this.#acquire(wanted, this.#limits.renewAfter)
    })
  }

  /** Makes the next data keys, in the background, before those in use are too old. `made` is called for each. */
  async renewAhead(made: () => void): Promise<void> {
    const { renewAfter, lease } = this.#limits
    if (renewAfter < 10 * lease) return
    for (const { key, ...wanted } of this.#current.values()) {
      const isDue = key.row.purpose === 'value' && ageOf(key.row) > renewAfter - 2 * lease
      if (!isDue || performance.now() - key.sealedAt > 10 * lease) continue
      await this.#keeper.once(undefined, `ahead ${nameOf(wanted)}`, () =>
        this.#acquire(wanted, renewAfter - 2 * lease),
      )
      made()
    }
  }

  has(key: StoredKey): boolean {
    for (const current of this.#current.values()) if (current.key === key) return true
    return false
  }

  /** The KMS keys, as they were named, that values are sealed with under a data key. */
  keyIdsOf(key: StoredKey): readonly string[] {
    const all = [...this.#current.values()].filter((current) => current.key === key)
    return [...new Set(all.map(({ keyId }) => keyId))]
  }

  /** KMS does not open it with this KMS key any more: an alias was moved. The next one is made with that. */
  disown(key: StoredKey, keyId: string): void {
    key.sealsWith.delete(keyId)
    this.drop(key)
  }

  /** True if one sealed in these last milliseconds. */
  isUsed(milliseconds: number): boolean {
    const from = performance.now() - milliseconds
    for (const { key } of this.#current.values()) if (key.sealedAt > from) return true
    return false
  }

  /** Nothing more is sealed under this key. */
  drop(key: StoredKey): void {
    for (const [name, current] of this.#current) if (current.key === key) this.#current.delete(name)
    if (this.#last?.key === key) this.#last = undefined
  }

  /** The keys whose rows are part of an open transaction. */
  get tentative(): StoredKey[] {
    const keys = Array.from(this.#current.values(), ({ key }) => key)
    return keys.filter(({ isTentative }) => isTentative)
  }

  /** Keys whose rows the open transaction may have lost are not used any more. */
  dropTentative(): void {
    this.#undone++
    for (const key of this.tentative) this.#keeper.drop(key)
  }

  /**
   * Before a transaction is committed: throws if the row of a key is no longer part of it, under which values of the
   * transaction may be sealed.
   */
  async verifyTentative(): Promise<void> {
    const keys = this.tentative
    if (keys.length === 0) return
    const rows = await this.#store.find(keys.map(({ row }) => row.id))
    if (keys.every(({ name }) => rows.some(({ id }) => id.toString('latin1') === name))) return
    this.dropTentative()
    throw new KeyTableUnavailableError(
      'a data key that was made in this transaction was rolled back in it, and values may be sealed under it: it must not be committed. Roll it back and repeat it.',
    )
  }

  /** A transaction was committed, as a whole or a part of it that may have been the whole. */
  settle(isWhole: boolean): void {
    // TypeORM takes a transaction for open until its COMMIT was answered.
    if (!isWhole && this.#store.isTentative) return
    for (const key of this.tentative) key.isTentative = false
  }

  #seals(key: StoredKey): boolean {
    return key.sealsStill(this.#limits) && (!key.isTentative || this.#store.isTentative)
  }

  async #acquire(wanted: Wanted, renewAfter: number): Promise<StoredKey> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const wasTentative = this.#store.isTentative
      const undone = this.#undone
      const key = await this.#findOrMake(wanted, renewAfter)
      const isTentative = wasTentative || this.#store.isTentative
      // The transaction that it was made or found in may have ended meanwhile, and its row with it.
      if (!isTentative || undone === this.#undone) return this.#use(key, wanted, isTentative)
      if (this.#keeper.find(key.contextKey, key.name) !== key) key.destroy()
    }
    throw new KeyTableUnavailableError(
      `transactions are rolled back again and again while a data key is made in ${this.#store.name}. Repeat the operation.`,
    )
  }

  async #findOrMake(wanted: Wanted, renewAfter: number): Promise<StoredKey> {
    const seenAt = now()
    const rows = await this.#store.current(wanted.purpose, contextHash(wanted.scope.context))
    const usable = candidates(rows, wanted, renewAfter)
    for (const row of usable.slice(0, MAX_TRIED)) {
      const key = await this.#unwrapped(row, wanted, seenAt)
      if (key) return key
    }
    if (wanted.purpose === 'index' && usable.length > 0) throw this.#otherIndexKey(wanted)
    return this.#make(wanted, this.#isDenied(wanted.keyId))
  }

  /** With a second data key for the blind indexes of a context, values would not be found. */
  #otherIndexKey({ keyId }: Wanted): ForgedDataKeyError {
    return new ForgedDataKeyError(
      `${this.#store.name} has a data key for the blind indexes of this context, and KMS does not open it with ${keyId}. With another one values would not be found. ${this.#isDenied(keyId) ? 'Allow kms:Decrypt.' : 'Move it to this KMS key first: typeorm-kms rotate.'}`,
    )
  }

  /** `undefined` if KMS does not open it with the configured key: then another one may be made. */
  async #unwrapped(row: StoredDataKey, wanted: Wanted, seenAt: Moment): Promise<StoredKey | undefined> {
    const { keyId, scope, purpose } = wanted
    const known = this.#keeper.find(scope.contextKey, row.id.toString('latin1'))
    if (known?.sealsWith.has(keyId)) {
      known.seen(row, seenAt)
      return known
    }
    if (!row.encrypted || this.#isDenied(keyId)) return undefined
    try {
      const { plaintext, keyReference } = await unwrap(this.#kms, row, scope.context, purpose, {
        keyReference: keyId,
      })
      return new StoredKey(plaintext, { ...row, keyReference }, scope, seenAt)
    } catch (cause) {
      if (cause instanceof UntrustedKeyError) return undefined
      if (cause instanceof AccessDeniedError) {
        this.#denied.set(keyId, now())
        return undefined
      }
      if (!isOfOtherScope(cause)) throw cause
      throw new ForgedDataKeyError(
        `the row of the data key ${row.id.toString('hex')} in ${this.#store.name} was changed: it does not hold that data key, or not for this context. Nothing is sealed under it. Restore the row from a backup or set its retired_at, and ask who wrote it.`,
        { cause },
      )
    }
  }

  async #make(wanted: Wanted, isOwn: boolean): Promise<StoredKey> {
    const { keyId, scope, purpose } = wanted
    const answer = await this.#kms.generateDataKey(keyId, storedContext(scope.context, purpose))
    checkGenerated(answer)
    const row: NewDataKey = {
      id: storedKeyId(answer.plaintext),
      purpose,
      contextHash: contextHash(scope.context),
      context: contextText(scope.context),
      keyReference: answer.keyReference,
      encrypted: answer.encrypted,
      createdAt: new Date(),
    }
    const seenAt = now()
    try {
      if (purpose === 'index') {
        const first = await this.#store.addFirst(row)
        if (!first.id.equals(row.id)) {
          const key = await this.#unwrapped(first, wanted, seenAt)
          if (key) return key
          throw this.#otherIndexKey(wanted)
        }
      } else await this.#store.add(row)
      const whole = { ...row, retiredAt: undefined, destroyAt: undefined, destroyedAt: undefined }
      const key = new StoredKey(Buffer.from(answer.plaintext), whole, scope, seenAt)
      key.isOwn = isOwn
      return key
    } finally {
      answer.plaintext.fill(0)
    }
  }

  #use(key: StoredKey, wanted: Wanted, isTentative: boolean): StoredKey {
    // One that was there before the transaction stays there.
    const isNew = this.#keeper.find(key.contextKey, key.name) === undefined
    const kept = this.#keeper.keep(key)
    kept.isTentative ||= isNew && isTentative
    kept.sealsWith.add(wanted.keyId)
    const current = { ...wanted, key: kept }
    this.#current.set(nameOf(wanted), current)
    this.#last = current
    return kept
  }

  #isDenied(keyId: string): boolean {
    const denied = this.#denied.get(keyId)
    return denied !== undefined && since(denied) <= this.#limits.maxAge
  }
}

/** Those that may be used, the best first: of values the newest, of indexes the oldest, because there must be one. */
function candidates(
  rows: readonly StoredDataKey[],
  { purpose, keyId }: Wanted,
  renewAfter: number,
): StoredDataKey[] {
  if (purpose === 'index') return [...rows].reverse()
  const usable = rows.filter((row) => ageOf(row) <= renewAfter && ageOf(row) >= -CLOCKS_APART)
  // The ARN is a hint: KMS tells.
  const isNamed = (row: StoredDataKey): boolean => row.keyReference === keyId
  return [...usable.filter(isNamed), ...usable.filter((row) => !isNamed(row))]
}

function ageOf({ createdAt }: Pick<StoredDataKey, 'createdAt'>): number {
  return Date.now() - createdAt.getTime()
}

function nameOf({ purpose, keyId, scope }: Wanted): string {
  return `${purpose}\0${keyId}\0${scope.contextKey}`
}

/** What could never be read again is not taken from KMS. */
function checkGenerated({ plaintext, encrypted }: GeneratedDataKey): void {
  if (plaintext.length === ROOT_LENGTH && isEncryptedDataKeyLength(encrypted.length)) return
  plaintext.fill(0)
  throw new KmsRequestError(
    `KMS answered GenerateDataKey with a key of ${plaintext.length} bytes, encrypted in ${encrypted.length}: that is no data key. Nothing was encrypted with it.`,
  )
}
