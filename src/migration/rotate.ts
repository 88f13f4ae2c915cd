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
import { type KeyService } from '../kms/key-service'
import { type BoundColumn } from '../orm/bound-column'
import { type RowRecipe } from '../orm/recipe'
import { isSame } from '../dialects/rows/is-same'
import { checkCapacity, checkKind } from './column-fits'
import { type Conversion, type RowsLeft } from './conversion'
import { type ColumnLayout } from './rows/column-layout'
import { type ColumnRow, type ColumnRows, type Converted } from '../dialects/rows/column-rows'
import { type Shard } from '../dialects/rows/key-order'
import { MovedStarts } from './moved-starts'
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

/** A KMS key that values move to: that of the column, or the one that a function names for their row. */
interface Target {
  /** Moves data keys without opening them. */
  readonly rewrap: Rewrap | undefined
  /** The key tags of what is done, as far as they are known: a multi-Region key has one in each Region. */
  readonly done: Set<string>
  sampled?: Promise<void>
}

/**
 * Values move to a KMS key and to the column's current mode, context, names and storage. Where only the key
 * changes, KMS re-encrypts the data keys (in direct mode the values), and nothing is opened here.
 */
export class Rotate implements Conversion {
  readonly done = 'rotated'
  readonly leavesForgotten = true
  readonly startsOver: string | undefined
  readonly #column: BoundColumn
  readonly #to: string | undefined
  /** `undefined` where values are encrypted anew. */
  readonly #reEncrypt: KeyService['reEncrypt']
  readonly #targets = new Map<string, Target>()
  readonly #everything: boolean
  readonly #newDataKeys: boolean
  readonly #goingOn: ReadonlySet<string>
  readonly #known = new KnownKeys()
  readonly #starts: MovedStarts

  /** `goingOn`: stored data keys, in hexadecimal, that `newDataKeys` is not about. */
  constructor(
    column: BoundColumn,
    { to, newDataKeys = false, madeBefore }: RotateSettings,
    goingOn: ReadonlySet<string> = new Set(),
  ) {
    if (to === '') throw new InvalidOptionError('to is empty. Name the KMS key: its id, ARN or alias.')
    this.#column = column
    this.#to = to
    const { kms } = column.cipher
    this.#reEncrypt = newDataKeys ? undefined : kms.reEncrypt?.bind(kms)
    this.#everything = to === undefined && newDataKeys
    this.#newDataKeys = newDataKeys
    this.#goingOn = goingOn
    this.#starts = new MovedStarts(newDataKeys)
    const { usesStoredKey } = column.recipes
    const goesOn = usesStoredKey ? madeBefore !== undefined : to !== undefined
    if (newDataKeys && !goesOn) {
      const wayOut = usesStoredKey ? ', unless --made-before (madeBefore) says when this run began' : ''
      this.startsOver = `because a new data key cannot be told from an old one${wayOut}`
    }
  }

  async begin(layout: ColumnLayout, rows: ColumnRows): Promise<void> {
    checkKind(layout)
    const recipe = this.#reEncrypt ? undefined : await anyRecipe(this.#column, rows)
    if (recipe) await this.#sampled(this.#movedTo(recipe))
    if (layout.capacity === undefined || layout.storage !== 'text') return
    const longest = await rows.longest(false)
    if (layout.kind === 'binary') checkCapacity(layout, Math.ceil(longest / 3) * 4)
  }

  again(): void {
    this.#starts.again()
  }

  leave({ stored }: ColumnRow): void {
    this.#starts.leave(stored)
  }

  left(rows: ColumnRows, shard: Shard | undefined): Promise<RowsLeft> {
    return this.#starts.count(rows, shard)
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
    this.#starts.done(rotated)
    return isSame(rotated, stored) ? undefined : { value: rotated }
  }

  #movedTo(recipe: RowRecipe): RowRecipe {
    return this.#to === undefined ? recipe : { ...recipe, keyId: this.#to }
  }

  #targetOf({ keyId }: RowRecipe): Target {
    let target = this.#targets.get(keyId)
    if (!target) {
      const isArn = keyId.startsWith('arn:') && keyId.includes(':key/')
      target = {
        rewrap: this.#reEncrypt && new Rewrap(this.#reEncrypt, keyId),
        done: new Set(isArn ? [keyTag(keyId).toString('hex')] : []),
      }
      this.#targets.set(keyId, target)
    }
    return target
  }

  /** One value encrypted for nothing: it tells the tag of the key. */
  #sampled(recipe: RowRecipe): Promise<void> {
    const target = this.#targetOf(recipe)
    target.sampled ??= this.#column.cipher.encrypt(Buffer.alloc(1), recipe).then(
      (sample) => void target.done.add(tagOf(sample)),
      (error: unknown) => {
        throw this.#column.placed(error)
      },
    )
    return target.sampled
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
    if (!this.#everything && (await this.#isDone(bytes, recipe))) return bytes
    const { rewrap } = this.#targetOf(recipe)
    if (!rewrap) return this.#sealAnew(bytes, recipe)
    return this.#kept(bytes, await rewrap.envelope(ciphertext, current), recipe)
  }

  async #rotatedDirect(direct: DirectValue, recipe: RowRecipe): Promise<Buffer> {
    const { bytes } = direct
    if (recipe.mode !== 'direct') return this.#sealAnew(bytes, recipe)
    const { rewrap } = this.#targetOf(recipe)
    if (rewrap) return this.#moveDirect(direct, rewrap, recipe)
    const isKept =
      !this.#everything &&
      (await this.#isDone(bytes, recipe)) &&
      (await this.#scopeOf(bytes, recipe)) === recipe.scope
    return isKept ? bytes : this.#sealAnew(bytes, recipe)
  }

  /** Under which scope a value is. Without previous settings there is only one, and nothing need be opened. */
  async #scopeOf(bytes: Buffer, { scopes }: RowRecipe): Promise<Scope> {
    return scopes.length === 1 ? scopes[0] : (await this.#column.opener.openWithScope(bytes, scopes)).scope
  }

  /** A direct value tells its context only to KMS: the current one is tried first, then the previous ones. */
  async #moveDirect(direct: DirectValue, rewrap: Rewrap, recipe: RowRecipe): Promise<Buffer> {
    const { bytes } = direct
    const { scopes, scope: current } = recipe
    if (direct.kind !== 'bare' && scopes.length === 1 && (await this.#isDone(bytes, recipe))) return bytes
    const attempts = scopes.map((scope) => async () => {
      if (direct.kind === 'bare') return rewrap.bare(bytes, scope.directContext, current)
      const moved = await rewrap.direct(direct, scope, current)
      return scope === current ? this.#kept(bytes, moved, recipe) : moved
    })
    if (direct.kind === 'bare') attempts.push(() => rewrap.bare(bytes, {}, current))
    return firstOf(attempts)
  }

  /** The old ciphertext if the new one turns out to be under the same key. */
  #kept(old: Buffer, moved: Buffer, recipe: RowRecipe): Buffer {
    this.#targetOf(recipe).done.add(tagOf(moved))
    return tagOf(old) === tagOf(moved) ? old : moved
  }

  async #isDone(ciphertext: Buffer, recipe: RowRecipe): Promise<boolean> {
    // Where a function names the keys, each shows its tag when it is first met.
    if (!this.#reEncrypt) await this.#sampled(recipe)
    return this.#targetOf(recipe).done.has(tagOf(ciphertext))
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
