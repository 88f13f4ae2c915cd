import { type Recipe } from '../cipher/cipher'
import { HEADER_LENGTH, keyTag } from '../cipher/format'
import { type DirectCiphertext, type EnvelopeCiphertext, type Parsed } from '../cipher/ciphertext'
import { Rewrap } from '../cipher/rewrap'
import { type Scope } from '../cipher/scope'
import { InvalidOptionError, PlaintextFoundError, WrongContextError } from '../errors'
import { type BoundColumn } from '../orm/bound-column'
import { isSame } from '../dialects/rows/is-same'
import { type Stored } from '../orm/read/value-opener'
import { checkCapacity, checkKind } from './column-fits'
import { type Conversion } from './conversion'
import { type ColumnLayout } from './rows/column-layout'
import { type ColumnRow, type ColumnRows } from '../dialects/rows/column-rows'
import { asStored, KnownKeys, readStored, sealChecked, type StoredValue } from './stored-value'

export interface RotateSettings {
  /** Id, ARN or alias of the KMS key to move to. Default: the column's key. */
  to?: string
  /** Decrypts and encrypts anew, instead of re-encrypting the data keys. Default `false`. */
  newDataKeys?: boolean
}

type Ciphertext = Extract<StoredValue, { kind: 'ciphertext' }>
type DirectValue = DirectCiphertext | Extract<Parsed, { kind: 'bare' }>

/**
 * Values move to a KMS key and to the column's current mode, context, names and storage. Where only the key
 * changes, KMS re-encrypts the data keys (in direct mode the values), and nothing is opened here.
 */
export class Rotate implements Conversion {
  readonly done = 'rotated'
  readonly leavesForgotten = true
  readonly #column: BoundColumn
  readonly #recipe: Recipe
  readonly #rewrap: Rewrap | undefined
  /** The key tags of what is done, as far as they are known: a multi-Region key has one in each Region. */
  readonly #done = new Set<string>()
  readonly #everything: boolean
  readonly #newDataKeys: boolean
  readonly #known = new KnownKeys()

  constructor(column: BoundColumn, { to, newDataKeys = false }: RotateSettings) {
    if (to === '') throw new InvalidOptionError('to is empty. Name the KMS key: its id, ARN or alias.')
    const { cipher } = column
    this.#column = column
    this.#recipe = { ...column.recipe, keyId: to ?? column.recipe.keyId }
    this.#everything = newDataKeys && to === undefined
    this.#newDataKeys = newDataKeys
    if (this.#recipe.keyId.startsWith('arn:') && this.#recipe.keyId.includes(':key/'))
      this.#done.add(keyTag(this.#recipe.keyId).toString('hex'))
    const reEncrypt = newDataKeys ? undefined : cipher.kms.reEncrypt?.bind(cipher.kms)
    this.#rewrap = reEncrypt && new Rewrap(reEncrypt, this.#recipe.keyId)
  }

  async begin(layout: ColumnLayout, rows: ColumnRows): Promise<void> {
    checkKind(layout)
    if (!this.#rewrap) {
      const sample = await this.#column.cipher
        .encrypt(Buffer.alloc(1), this.#recipe)
        .catch((error: unknown) => {
          throw this.#column.placed(error)
        })
      this.#done.add(tagOf(sample))
    }
    if (layout.capacity === undefined || layout.storage !== 'text') return
    const longest = await rows.longest(false)
    if (layout.kind === 'binary') checkCapacity(layout, Math.ceil(longest / 3) * 4)
  }

  async convert({ stored }: ColumnRow): Promise<Stored | undefined> {
    const value = await readStored(this.#column, stored, this.#known)
    if (value.kind === 'plaintext') {
      throw new PlaintextFoundError('the row holds plaintext. Encrypt the column first (encryptColumns).')
    }
    const rotated = asStored(this.#column, await this.#rotated(value))
    return isSame(rotated, stored) ? undefined : rotated
  }

  async #rotated(value: Ciphertext): Promise<Buffer> {
    const { bytes, parsed } = value
    if (parsed.kind === 'bare') return this.#rotatedDirect(parsed)
    switch (parsed.suite) {
      case 'envelope':
        return this.#rotatedEnvelope(parsed)
      case 'direct':
      case 'direct-empty':
        return this.#rotatedDirect(parsed)
      case 'stored-key':
        return this.#rotatedStored(bytes)
    }
  }

  /** Its data key is moved in the key table; the value stays, if it is to name a stored data key at all. */
  async #rotatedStored(bytes: Buffer): Promise<Buffer> {
    const isCurrent = this.#recipe.usesStoredKey && (await this.#scopeOf(bytes)) === this.#recipe.scope
    return isCurrent && !this.#newDataKeys ? bytes : this.#sealAnew(bytes)
  }

  async #rotatedEnvelope(ciphertext: EnvelopeCiphertext): Promise<Buffer> {
    const { bytes } = ciphertext
    const current = this.#recipe.scope
    if (
      this.#recipe.mode !== 'envelope' ||
      this.#recipe.usesStoredKey ||
      (await this.#scopeOf(bytes)) !== current
    )
      return this.#sealAnew(bytes)
    if (!this.#everything && this.#isDone(bytes)) return bytes
    if (!this.#rewrap) return this.#sealAnew(bytes)
    return this.#kept(bytes, await this.#rewrap.envelope(ciphertext, current))
  }

  async #rotatedDirect(direct: DirectValue): Promise<Buffer> {
    const { bytes } = direct
    if (this.#recipe.mode !== 'direct') return this.#sealAnew(bytes)
    if (this.#rewrap) return this.#moveDirect(direct, this.#rewrap)
    if (direct.kind === 'bare' || (await this.#scopeOf(bytes)) !== this.#recipe.scope)
      return this.#sealAnew(bytes)
    return !this.#everything && this.#isDone(bytes) ? bytes : this.#sealAnew(bytes)
  }

  /** Under which scope a value is. Without previous settings there is only one, and nothing need be opened. */
  async #scopeOf(bytes: Buffer): Promise<Scope> {
    const { scopes } = this.#column.recipe
    return scopes.length === 1
      ? scopes[0]
      : (await this.#column.opener.openWithScope(bytes, this.#column.recipe.scopes)).scope
  }

  /** A direct value tells its context only to KMS: the current one is tried first, then the previous ones. */
  async #moveDirect(direct: DirectValue, rewrap: Rewrap): Promise<Buffer> {
    const { bytes } = direct
    const { scopes } = this.#column.recipe
    const current = this.#recipe.scope
    if (direct.kind !== 'bare' && scopes.length === 1 && this.#isDone(bytes)) return bytes
    const attempts = scopes.map((scope) => async () => {
      if (direct.kind === 'bare') return rewrap.bare(bytes, scope.directContext, current)
      const moved = await rewrap.direct(direct, scope, current)
      return scope === current ? this.#kept(bytes, moved) : moved
    })
    if (direct.kind === 'bare') attempts.push(() => rewrap.bare(bytes, {}, current))
    return firstOf(attempts)
  }

  /** The old ciphertext if the new one turns out to be under the same key. */
  #kept(old: Buffer, moved: Buffer): Buffer {
    this.#done.add(tagOf(moved))
    return tagOf(old) === tagOf(moved) ? old : moved
  }

  #isDone(ciphertext: Buffer): boolean {
    return this.#done.has(tagOf(ciphertext))
  }

  async #sealAnew(bytes: Buffer): Promise<Buffer> {
    const { plaintext } = await this.#column.opener.openWithScope(bytes, this.#column.recipe.scopes)
    try {
      return await sealChecked(this.#column, plaintext, this.#recipe)
    } finally {
      plaintext.fill(0)
    }
  }
}

function tagOf(ciphertext: Buffer): string {
  return ciphertext.toString('hex', 3, HEADER_LENGTH)
}

async function firstOf(attempts: (() => Promise<Buffer>)[]): Promise<Buffer> {
  let first: unknown
  for (const attempt of attempts) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof WrongContextError)) throw error
      first ??= error
    }
  }
  throw first
}
