import { HEADER_LENGTH, keyTag } from '../cipher/format'
import {
  type DirectCiphertext,
  type EnvelopeCiphertext,
  type Parsed,
  type StoredKeyCiphertext,
} from '../cipher/ciphertext'
import { Rewrap } from '../cipher/rewrap'
import { type Scope } from '../cipher/scope'
import { InvalidOptionError, PlaintextFoundError, WrongContextError } from '../errors'
import { type BoundColumn } from '../orm/bound-column'
import { type RowRecipe } from '../orm/recipe'
import { isSame } from '../dialects/rows/is-same'
import { checkCapacity, checkKind } from './column-fits'
import { type Conversion } from './conversion'
import { type ColumnLayout } from './rows/column-layout'
import { type ColumnRow, type ColumnRows, type Converted } from '../dialects/rows/column-rows'
import { anyRecipe, recipeOfRow } from './row-recipe'
import { asStored, KnownKeys, readStored, sealChecked, type StoredValue } from './stored-value'

export interface RotateSettings {
  /** Id, ARN or alias of the KMS key to move to. Default: the column's key. */
  to?: string
  /** Decrypts and encrypts anew, instead of re-encrypting the data keys. Default `false`. */
  newDataKeys?: boolean
  /**
   * With `newDataKeys`: values under stored data keys that were made at this time or later stay as they are. So a
   * rotation that was ended before its time goes on, and does not begin anew. Default: none is left.
   */
  madeBefore?: Date
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
  readonly #to: string | undefined
  readonly #rewrap: Rewrap | undefined
  /** The key tags of what is done, as far as they are known: a multi-Region key has one in each Region. */
  readonly #done = new Set<string>()
  readonly #everything: boolean
  readonly #newDataKeys: boolean
  readonly #goingOn: ReadonlySet<string>
  readonly #known = new KnownKeys()

  /** `goingOn`: stored data keys, in hexadecimal, that `newDataKeys` is not about. */
  constructor(
    column: BoundColumn,
    { to, newDataKeys = false }: RotateSettings,
    goingOn: ReadonlySet<string> = new Set(),
  ) {
    if (to === '') throw new InvalidOptionError('to is empty. Name the KMS key: its id, ARN or alias.')
    const { cipher } = column
    this.#column = column
    this.#to = to
    const keyId = to ?? column.recipes.keyId
    // Where a function names a key for each tenant, no tag tells that a value is under the right one.
    this.#everything = to === undefined && (newDataKeys || keyId === undefined)
    this.#newDataKeys = newDataKeys
    this.#goingOn = goingOn
    if (keyId === undefined) return
    if (keyId.startsWith('arn:') && keyId.includes(':key/')) this.#done.add(keyTag(keyId).toString('hex'))
    const reEncrypt = newDataKeys ? undefined : cipher.kms.reEncrypt?.bind(cipher.kms)
    this.#rewrap = reEncrypt && new Rewrap(reEncrypt, keyId)
  }

  async begin(layout: ColumnLayout, rows: ColumnRows): Promise<void> {
    checkKind(layout)
    const recipe = this.#rewrap ? undefined : await anyRecipe(this.#column, rows)
    if (recipe) {
      const sample = await this.#column.cipher
        .encrypt(Buffer.alloc(1), this.#movedTo(recipe))
        .catch((error: unknown) => {
          throw this.#column.placed(error)
        })
      this.#done.add(tagOf(sample))
    }
    if (layout.capacity === undefined || layout.storage !== 'text') return
    const longest = await rows.longest(false)
    if (layout.kind === 'binary') checkCapacity(layout, Math.ceil(longest / 3) * 4)
  }

  async convert(row: ColumnRow): Promise<Converted | undefined> {
    const { stored } = row
    const recipe = this.#movedTo(recipeOfRow(this.#column, row))
    const value = await readStored(this.#column, stored, recipe, this.#known)
    if (value.kind !== 'ciphertext') {
      const what = value.kind === 'plaintext' ? 'plaintext' : 'what another program encrypted'
      throw new PlaintextFoundError(`the row holds ${what}. Encrypt the column first (encryptColumns).`)
    }
    const rotated = asStored(this.#column, await this.#rotated(value, recipe))
    return isSame(rotated, stored) ? undefined : { value: rotated }
  }

  #movedTo(recipe: RowRecipe): RowRecipe {
    return this.#to === undefined ? recipe : { ...recipe, keyId: this.#to }
  }

  async #rotated(value: Ciphertext, recipe: RowRecipe): Promise<Buffer> {
    const { parsed } = value
    if (parsed.kind === 'bare') return this.#rotatedDirect(parsed, recipe)
    switch (parsed.suite) {
      case 'envelope':
        return this.#rotatedEnvelope(parsed, recipe)
      case 'direct':
      case 'direct-empty':
        return this.#rotatedDirect(parsed, recipe)
      case 'stored-key':
        return this.#rotatedStored(parsed, recipe)
    }
  }

  /** Its data key is moved in the key table; the value stays, if it is to name a stored data key at all. */
  async #rotatedStored({ bytes, dataKeyId }: StoredKeyCiphertext, recipe: RowRecipe): Promise<Buffer> {
    const isCurrent = recipe.usesStoredKey && (await this.#scopeOf(bytes, recipe)) === recipe.scope
    const isKept = !this.#newDataKeys || this.#goingOn.has(dataKeyId.toString('hex'))
    return isCurrent && isKept ? bytes : this.#sealAnew(bytes, recipe)
  }

  async #rotatedEnvelope(ciphertext: EnvelopeCiphertext, recipe: RowRecipe): Promise<Buffer> {
    const { bytes } = ciphertext
    const current = recipe.scope
    if (
      recipe.mode !== 'envelope' ||
      recipe.usesStoredKey ||
      (await this.#scopeOf(bytes, recipe)) !== current
    )
      return this.#sealAnew(bytes, recipe)
    if (!this.#everything && this.#isDone(bytes)) return bytes
    if (!this.#rewrap) return this.#sealAnew(bytes, recipe)
    return this.#kept(bytes, await this.#rewrap.envelope(ciphertext, current))
  }

  async #rotatedDirect(direct: DirectValue, recipe: RowRecipe): Promise<Buffer> {
    const { bytes } = direct
    if (recipe.mode !== 'direct') return this.#sealAnew(bytes, recipe)
    if (this.#rewrap) return this.#moveDirect(direct, this.#rewrap, recipe)
    if (direct.kind === 'bare' || (await this.#scopeOf(bytes, recipe)) !== recipe.scope)
      return this.#sealAnew(bytes, recipe)
    return !this.#everything && this.#isDone(bytes) ? bytes : this.#sealAnew(bytes, recipe)
  }

  /** Under which scope a value is. Without previous settings there is only one, and nothing need be opened. */
  async #scopeOf(bytes: Buffer, { scopes }: RowRecipe): Promise<Scope> {
    return scopes.length === 1 ? scopes[0] : (await this.#column.opener.openWithScope(bytes, scopes)).scope
  }

  /** A direct value tells its context only to KMS: the current one is tried first, then the previous ones. */
  async #moveDirect(direct: DirectValue, rewrap: Rewrap, recipe: RowRecipe): Promise<Buffer> {
    const { bytes } = direct
    const { scopes, scope: current } = recipe
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

  async #sealAnew(bytes: Buffer, recipe: RowRecipe): Promise<Buffer> {
    const { plaintext } = await this.#column.opener.openWithScope(bytes, recipe.scopes)
    try {
      return await sealChecked(this.#column, plaintext, recipe)
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
