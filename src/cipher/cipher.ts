import { type KeyObject } from 'node:crypto'
import { countDecryption, denial, isDenied, publishedContext } from '../access'
import { channels, type NamedRow, type ValueEvent } from '../diagnostics'
import { KeyTableUnavailableError } from '../errors'
import { type Caller, type KeyService } from '../kms/key-service'
import { type IndexPlace } from './blind-index'
import { asCiphertext, type CiphertextBytes, type PlaintextBytes, type PlainBytes } from './bytes'
import { type Ciphertext, parse, type Parsed, StoredKeyCiphertext } from './ciphertext'
import { type DataKey } from './data-keys/data-key'
import { DataKeyCache, type DataKeyLimits } from './data-keys/data-key-cache'
import { type StoredKeyLimits } from './data-keys/stored-key'
import { type DataKeyStore } from './data-keys/store'
import { type StoredKey } from './data-keys/stored-key'
import { StoredKeys } from './data-keys/stored-keys'
import { HEADER_LENGTH, PREFIX_LENGTH } from './format'
import { notACiphertext } from './not-a-ciphertext'
import { Opening, type OpeningOptions, type Opens, type Outcome, type ToOpen } from './opening'
import { Refusals } from './refusals'
import { type Scope, type Tally } from './scope'
import { Direct } from './suites/direct'
import { Envelope } from './suites/envelope'
import { StoredKeySuite } from './suites/stored-key'
import { type Mode, type Opener, type Suite, type Suites } from './suites/suite'

export { type Mode } from './suites/suite'

/** How one value is to be encrypted; taken per value, so that it may depend on the row. */
export interface Recipe {
  mode: Mode
  /** Id, ARN or alias of the KMS key. */
  keyId: string
  scope: Scope
  /** True if the value is sealed under a stored data key (suite 4), in envelope mode. */
  usesStoredKey?: boolean
}

/** How often a stored data key is asked for before a value is given up. */
const MAX_ATTEMPTS = 10

/** What the ciphers of all DataSources of one `KmsEncryption` have in common. */
interface Shared {
  readonly kms: KeyService
  readonly limits: DataKeyLimits
  readonly refusals: Refusals
  readonly dataKeys: DataKeyCache
  readonly counts: { encrypted: number; decrypted: number }
  readonly tallies: Map<string, Tally>
  /** A DataSource that is given up takes its own with it. */
  readonly stores: Set<WeakRef<StoredKeys>>
}

function sharedParts(kms: KeyService, limits: DataKeyLimits): Shared {
  const refusals = new Refusals()
  const dataKeys = new DataKeyCache(kms, limits, refusals)
  const counts = { encrypted: 0, decrypted: 0 }
  return { kms, limits, refusals, dataKeys, counts, tallies: new Map(), stores: new Set() }
}

/**
 * Encrypts by the mode that is asked for and decrypts by what the ciphertext says. The `…Now` calls answer at
 * once where no call to KMS is needed, and `undefined` where one is: then the other call makes it.
 */
export class Cipher {
  readonly kms: KeyService
  readonly dataKeys: DataKeyCache
  /** The data keys of the store; without one, none are stored. */
  readonly storedKeys: StoredKeys | undefined
  readonly counts: { encrypted: number; decrypted: number }
  readonly #shared: Shared
  readonly #direct: Direct
  readonly #storedSuite: StoredKeySuite
  readonly #suites: Suites

  constructor(kms: KeyService, limits: DataKeyLimits)
  /** One with a store, which has all but the stored data keys in common with another. */
  constructor(cipher: Cipher, storedKeys: StoredKeys)
  constructor(from: KeyService | Cipher, more: DataKeyLimits | StoredKeys) {
    const shared = from instanceof Cipher ? from.#shared : sharedParts(from, more as DataKeyLimits)
    this.#shared = shared
    this.kms = shared.kms
    this.dataKeys = shared.dataKeys
    this.counts = shared.counts
    this.storedKeys = more instanceof StoredKeys ? more : undefined
    this.#direct = new Direct(shared.kms, shared.refusals)
    this.#storedSuite = new StoredKeySuite(this.storedKeys)
    this.#suites = {
      envelope: new Envelope(this.dataKeys),
      direct: this.#direct,
      'direct-empty': this.#direct,
      'stored-key': this.#storedSuite,
    }
  }

  /** The same cipher for the values of a database that has a store of data keys. */
  withStore(store: DataKeyStore, limits: Pick<StoredKeyLimits, 'renewAfter' | 'lease'>): Cipher {
    const { kms, refusals, limits: shared, stores } = this.#shared
    const keys = new StoredKeys(kms, store, { ...shared, ...limits }, refusals, this.dataKeys.counts)
    stores.add(new WeakRef(keys))
    return new Cipher(this, keys)
  }

  /** The stored data keys of all stores. */
  get stores(): readonly StoredKeys[] {
    const { stores } = this.#shared
    return [...stores].flatMap((reference) => {
      const keys = reference.deref()
      if (!keys) stores.delete(reference)
      return keys ?? []
    })
  }

  /** Sees to it that the next values can be encrypted at once; `undefined` if they can be. */
  prepare(recipe: Recipe): Promise<unknown> | undefined {
    const { mode, keyId, scope, usesStoredKey } = recipe
    if (mode === 'direct') return undefined
    if (usesStoredKey) {
      const { current } = this.#stored
      return current.get(keyId, scope) ? undefined : current.acquire({ keyId, scope, purpose: 'value' })
    }
    if (this.dataKeys.forSealing(keyId, scope)) return undefined
    return this.dataKeys.generate(keyId, scope)
  }

  encryptNow(
    plaintext: string | PlainBytes,
    { mode, keyId, scope, usesStoredKey }: Recipe,
  ): CiphertextBytes | undefined {
    if (mode === 'direct') return undefined
    if (usesStoredKey) {
      const key = this.#stored.current.get(keyId, scope)
      if (!key) return undefined
      this.#stored.hit('encrypt')
      this.#count('encrypt', 'envelope', scope)
      return key.seal(plaintext, scope)
    }
    const key = this.dataKeys.forSealing(keyId, scope)
    if (!key) return undefined
    this.dataKeys.hit('encrypt')
    this.#count('encrypt', 'envelope', scope)
    return key.seal(plaintext, scope.aad)
  }

  async encrypt(plaintext: string | PlainBytes, recipe: Recipe): Promise<CiphertextBytes> {
    if (recipe.mode === 'direct') {
      const ciphertext = await this.#direct.encrypt(plaintext, recipe.keyId, recipe.scope)
      this.#count('encrypt', 'direct', recipe.scope)
      return asCiphertext(ciphertext)
    }
    if (recipe.usesStoredKey) {
      const key = await this.#storedKeyFor(recipe)
      this.#count('encrypt', 'envelope', recipe.scope)
      return key.seal(plaintext, recipe.scope)
    }
    for (;;) {
      // Many may have waited for this data key, and used it up before it is this value's turn.
      const key =
        this.dataKeys.forSealing(recipe.keyId, recipe.scope) ??
        (await this.dataKeys.generate(recipe.keyId, recipe.scope))
      if (!this.dataKeys.hasUsesLeft(key)) continue
      this.#count('encrypt', 'envelope', recipe.scope)
      return key.seal(plaintext, recipe.scope.aad)
    }
  }

  /**
   * True for a ciphertext under the KMS key that this one was sealed under, or under a data key that is in the store. The
   * store is asked where that is not known.
   */
  async isOwn(ciphertext: Ciphertext, sealed: CiphertextBytes, { scope }: Recipe): Promise<boolean> {
    if (ciphertext.suite === 'stored-key') return (await this.storedKeys?.isStored(ciphertext)) === true
    const under = parse(sealed)
    const tag =
      under instanceof StoredKeyCiphertext
        ? this.#stored.keyTagOf(under, scope)
        : sealed.subarray(PREFIX_LENGTH, HEADER_LENGTH)
    // A data key that has left the memory meanwhile tells nothing.
    return tag === undefined || ciphertext.keyTag.equals(tag)
  }

  /**
   * True if KMS must be asked to decrypt it; false also for what will not decrypt at all. A forgery can have it say
   * no, and is then found out when it is opened.
   */
  needsKms(stored: Buffer | Parsed, scope: Scope): boolean {
    const parsed = parsedOf(stored)
    if (parsed.kind === 'ciphertext') return this.#suiteOf(parsed).needsKms(parsed, scope)
    return parsed.kind === 'bare'
  }

  decryptNow(stored: Buffer | Parsed, scope: Scope, row?: NamedRow): PlaintextBytes | undefined {
    const parsed = parsedOf(stored)
    if (parsed.kind === 'bare') return undefined
    if (parsed.kind !== 'ciphertext') throw notACiphertext(parsed)
    const suite = this.#suiteOf(parsed)
    const plaintext = suite.openNow(parsed, scope)
    if (plaintext) this.#count('decrypt', suite.mode, scope, row)
    return plaintext
  }

  /** Opens a ciphertext that carries this data key, which is one of the cache. */
  openWith(key: DataKey, ciphertext: Buffer, scope: Scope, row?: NamedRow): PlaintextBytes {
    this.dataKeys.hit('decrypt')
    const plaintext = key.openCarrier(ciphertext, scope.aad)
    this.#count('decrypt', 'envelope', scope, row)
    return plaintext
  }

  async decrypt(stored: Buffer | Parsed, scope: Scope, row?: NamedRow): Promise<PlaintextBytes> {
    const parsed = parsedOf(stored)
    return this.decryptNow(parsed, scope, row) ?? (await this.load(parsed, scope))(parsed, scope, row)
  }

  /**
   * The key of a blind index, derived from the stored data key of purpose `index` for the context of the scope; without
   * asking KMS or the store, or else `undefined`.
   */
  indexKeyNow(keyId: string, scope: Scope, place: IndexPlace): KeyObject | undefined {
    return this.#stored.current.get(keyId, scope, 'index')?.indexKey(place)
  }

  /**
   * The same, where that data key is fetched first, and made on first need: there is one for each context, whatever its
   * age and however many processes make it at the same time. Throws `ForgedDataKeyError` if it is under another KMS key.
   */
  async indexKey(keyId: string, scope: Scope, place: IndexPlace): Promise<KeyObject> {
    const wanted = { keyId, scope, purpose: 'index' } as const
    const key =
      this.#stored.current.get(keyId, scope, 'index') ?? (await this.#stored.current.acquire(wanted))
    return key.indexKey(place)
  }

  /** Opens the values of a page together; see `Opening`. */
  openAll(values: readonly ToOpen[], options?: OpeningOptions): Promise<Outcome[]> {
    return new Opening(this, options).open(values)
  }

  /**
   * Asks KMS for what opens a ciphertext. The answer opens all stored values for which `callOf` is the same.
   */
  async load(parsed: Parsed, scope: Scope, caller?: Caller): Promise<Opens> {
    if (isDenied()) throw denial(scope.tally)
    if (parsed.kind === 'bare') {
      const plaintext = await this.#direct.openBare(parsed.bytes, scope, caller)
      return (_, __, row) => this.#opened(plaintext, 'direct', scope, row)
    }
    if (parsed.kind !== 'ciphertext') throw notACiphertext(parsed)
    const suite = this.#suiteOf(parsed)
    const opener: Opener = await suite.load(parsed, scope, caller)
    return (each, under, row) => {
      if (each.kind !== 'ciphertext') throw new TypeError('Not a value for which this call was made')
      return this.#opened(opener.open(each, under), suite.mode, under, row)
    }
  }

  /** Begins to look up what a page of values will be opened with, together. */
  announce(page: readonly Parsed[]): void {
    this.#storedSuite.announce(page.filter((parsed) => parsed instanceof StoredKeyCiphertext))
  }

  /** Names the call to KMS that opens a value; `undefined` for what no call opens. */
  callOf(parsed: Parsed, scope: Scope): string | undefined {
    if (parsed.kind === 'ciphertext') return `${parsed.suite} ${this.#suiteOf(parsed).callOf(parsed, scope)}`
    return parsed.kind === 'bare' ? `bare ${scope.directKey} ${parsed.bytes.toString('latin1')}` : undefined
  }

  /** Where the values of a column are counted: one place for all its scopes, in all DataSources. */
  tally(entity: string, property: string): Tally {
    const name = `${entity}.${property}`
    const { tallies } = this.#shared
    let tally = tallies.get(name)
    if (!tally) tallies.set(name, (tally = { entity, property, encrypted: 0, decrypted: 0 }))
    return tally
  }

  /** All columns that have been named so far. */
  get tallies(): Iterable<Readonly<Tally>> {
    return this.#shared.tallies.values()
  }

  close(): void {
    this.dataKeys.close()
    for (const store of this.stores) store.close()
    this.#shared.refusals.clear()
  }

  get #stored(): StoredKeys {
    if (this.storedKeys) return this.storedKeys
    throw new TypeError('A recipe for a stored data key, and a cipher without a store')
  }

  async #storedKeyFor({ keyId, scope }: Recipe): Promise<StoredKey> {
    const { current } = this.#stored
    let key = current.get(keyId, scope)
    // In an open transaction of the only connection, a key may be lost again before it is this value's turn.
    for (let attempt = 1; !key && attempt <= MAX_ATTEMPTS; attempt++) {
      await current.acquire({ keyId, scope, purpose: 'value' })
      key = current.get(keyId, scope)
    }
    if (key) return key
    throw new KeyTableUnavailableError(
      `${this.#stored.store.name} has no data key that can be used for as long as it takes to seal a value. Is the lease shorter than the database takes to answer?`,
    )
  }

  #suiteOf(ciphertext: Ciphertext): Suite {
    return this.#suites[ciphertext.suite]
  }

  #opened(plaintext: PlaintextBytes, mode: Mode, scope: Scope, row: NamedRow | undefined): PlaintextBytes {
    this.#count('decrypt', mode, scope, row)
    return plaintext
  }

  #count(action: ValueEvent['action'], mode: Mode, { tally }: Scope, row?: NamedRow): void {
    if (action === 'decrypt') countDecryption(tally)
    const counter = action === 'encrypt' ? 'encrypted' : 'decrypted'
    this.counts[counter]++
    if (!tally) return
    tally[counter]++
    if (!channels.value.hasSubscribers) return
    const { entity, property } = tally
    const [primaryKey, context] = [row?.(), publishedContext()]
    channels.value.publish({
      action,
      mode,
      entity,
      property,
      ...(primaryKey && { primaryKey }),
      ...(context && { context }),
    } satisfies ValueEvent)
  }
}

function parsedOf(stored: Buffer | Parsed): Parsed {
  return Buffer.isBuffer(stored) ? parse(stored) : stored
}
