import { channels, type ValueEvent } from '../diagnostics'
import { PlaintextFoundError } from '../errors'
import { type KeyService } from '../kms/key-service'
import { type DataKey } from './data-key'
import { DataKeyCache, type DataKeyLimits } from './data-key-cache'
import { DirectMode, isBareCiphertextBlob } from './direct'
import { endOfDataKey, isCiphertext, Suite, suiteOf } from './format'
import { type Scope, type Tally } from './scope'

/** How values are encrypted. */
export type Mode = 'envelope' | 'direct'

/** How one value is to be encrypted; taken per value, so that it may depend on the row. */
export interface Recipe {
  mode: Mode
  /** Id, ARN or alias of the KMS key. */
  keyId: string
  scope: Scope
}

/**
 * Encrypts by the mode that is asked for and decrypts by what the ciphertext says. The `…Now` calls answer at
 * once where no call to KMS is needed, and `undefined` where one is: then the other call makes it.
 */
export class Cipher {
  readonly dataKeys: DataKeyCache
  readonly #direct: DirectMode
  readonly counts = { encrypted: 0, decrypted: 0 }
  readonly #tallies = new Map<string, Tally>()

  constructor(
    readonly kms: KeyService,
    limits: DataKeyLimits,
  ) {
    this.dataKeys = new DataKeyCache(kms, limits)
    this.#direct = new DirectMode(kms)
  }

  /** Sees to it that the next values can be encrypted at once; `undefined` if they can be. */
  prepare({ mode, keyId, scope }: Recipe): Promise<unknown> | undefined {
    if (mode === 'direct' || this.dataKeys.forSealing(keyId, scope)) return undefined
    return this.dataKeys.generate(keyId, scope)
  }

  encryptNow(plaintext: string | Uint8Array, { mode, keyId, scope }: Recipe): Buffer | undefined {
    if (mode === 'direct') return undefined
    const key = this.dataKeys.forSealing(keyId, scope)
    if (!key) return undefined
    this.dataKeys.hit('encrypt')
    this.#count('encrypt', 'envelope', scope)
    return key.seal(plaintext, scope.aad)
  }

  async encrypt(plaintext: string | Uint8Array, recipe: Recipe): Promise<Buffer> {
    if (recipe.mode === 'direct') {
      const ciphertext = await this.#direct.encrypt(plaintext, recipe.keyId, recipe.scope)
      this.#count('encrypt', 'direct', recipe.scope)
      return ciphertext
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
   * True if KMS must be asked to decrypt it; false also for what will not decrypt at all. A forgery can have it say
   * no, and is then found out when it is opened.
   */
  needsKms(ciphertext: Buffer, scope: Scope): boolean {
    if (!isCiphertext(ciphertext)) return isBareCiphertextBlob(ciphertext)
    try {
      if (suiteOf(ciphertext) !== Suite.Envelope) return true
      return !this.dataKeys.has(ciphertext, endOfDataKey(ciphertext), scope)
    } catch {
      return false // It is malformed: decrypting it will say how.
    }
  }

  decryptNow(ciphertext: Buffer, scope: Scope): Buffer | undefined {
    if (!isCiphertext(ciphertext)) {
      if (isBareCiphertextBlob(ciphertext)) return undefined
      throw new PlaintextFoundError(
        'the column holds a value that is not encrypted. Encrypt the existing rows, or set acceptPlaintext: true while they are being migrated.',
      )
    }
    if (suiteOf(ciphertext) !== Suite.Envelope) return undefined
    const end = endOfDataKey(ciphertext)
    const key = this.dataKeys.forOpening(ciphertext, end, scope)
    if (!key) return undefined
    const plaintext = key.open(ciphertext, end, scope.aad)
    this.#count('decrypt', 'envelope', scope)
    return plaintext
  }

  /** Opens a ciphertext that carries this data key, which is one of the cache. */
  openWith(key: DataKey, ciphertext: Buffer, scope: Scope): Buffer {
    this.dataKeys.hit('decrypt')
    const plaintext = key.openCarrier(ciphertext, scope.aad)
    this.#count('decrypt', 'envelope', scope)
    return plaintext
  }

  async decrypt(ciphertext: Buffer, scope: Scope): Promise<Buffer> {
    const plaintext = this.decryptNow(ciphertext, scope)
    if (plaintext) return plaintext
    if (!isCiphertext(ciphertext) || suiteOf(ciphertext) !== Suite.Envelope) {
      const opened = await this.#direct.decrypt(ciphertext, scope)
      this.#count('decrypt', 'direct', scope)
      return opened
    }
    const end = endOfDataKey(ciphertext)
    const key = await this.dataKeys.load(ciphertext, end, scope)
    const opened = key.open(ciphertext, end, scope.aad)
    this.#count('decrypt', 'envelope', scope)
    return opened
  }

  /** Where the values of a column are counted: one place for all its scopes, in all DataSources. */
  tally(entity: string, property: string): Tally {
    const name = `${entity}.${property}`
    let tally = this.#tallies.get(name)
    if (!tally) this.#tallies.set(name, (tally = { entity, property, encrypted: 0, decrypted: 0 }))
    return tally
  }

  /** All columns that have been named so far. */
  get tallies(): Iterable<Readonly<Tally>> {
    return this.#tallies.values()
  }

  close(): void {
    this.dataKeys.close()
  }

  #count(action: ValueEvent['action'], mode: Mode, { tally }: Scope): void {
    const counter = action === 'encrypt' ? 'encrypted' : 'decrypted'
    this.counts[counter]++
    if (!tally) return
    tally[counter]++
    if (!channels.value.hasSubscribers) return
    const { entity, property } = tally
    channels.value.publish({ action, mode, entity, property } satisfies ValueEvent)
  }
}
