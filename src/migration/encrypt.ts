import { MAX_DIRECT_BYTES } from '../cipher/suites/direct'
import { InvalidOptionError, type KmsEncryptionError } from '../errors'
import { type BoundColumn } from '../orm/bound-column'
import { type RowRecipe } from '../orm/recipe'
import { type Stored } from '../orm/read/value-opener'
import { checkCapacity, checkKind } from './column-fits'
import { type Conversion, type RowsLeft } from './conversion'
import { checkDeclaredType } from './declared-type'
import { type ColumnLayout } from './rows/column-layout'
import { type ColumnRow, type ColumnRows, type Converted } from '../dialects/rows/column-rows'
import { type Shard } from '../dialects/rows/key-order'
import { ForgottenError } from '../errors'
import { type BlindIndex } from '../orm/search/blind-index'
import { indexesOfNothing, indexesToStore, isFilled, rowIndexes, wrongIndex } from './indexes/row-indexes'
import { anyRecipe, recipeOfRow } from './row-recipe'
import {
  asStored,
  beginsLikeCiphertext,
  KnownKeys,
  readStored,
  requireWhole,
  sealChecked,
} from './stored-value'

/** Longest value that is made only to be tried out. */
const MAX_SAMPLE_BYTES = 2 ** 20

export interface EncryptSettings {
  /** Compares the blind indexes of all rows with their values, and mends them. Default `false`: fills those left out. */
  rebuildIndexes?: boolean
  /** A searched column compares bytes from now on, also where the database took other texts for equal. Default `false`. */
  compareBytes?: boolean
}

/** Plaintext becomes ciphertext; ciphertext stays as it is. Blind indexes are filled where a row has none. */
export class Encrypt implements Conversion {
  readonly done = 'encrypted'
  readonly leavesForgotten = true
  readonly #column: BoundColumn
  readonly #known = new KnownKeys()
  /** Bytes of the longest plaintext. */
  #longest = 0
  /** Of what is tried out; `undefined` if the table has no row to take it from. */
  #recipe: RowRecipe | undefined

  readonly #rebuildsIndexes: boolean
  /** Rows that are left as they are, and that the database counts as plaintext. */
  #kept = 0

  constructor(column: BoundColumn, { rebuildIndexes = false }: EncryptSettings = {}) {
    this.#column = column
    this.#rebuildsIndexes = rebuildIndexes
  }

  async begin(layout: ColumnLayout, rows: ColumnRows): Promise<void> {
    checkKind(layout)
    if (this.#column.plaintextWrites?.areOn === true) throw writesPlaintext(this.#column)
    this.#recipe = await anyRecipe(this.#column, rows)
    if (!this.#recipe) return
    // One value encrypted for nothing: it shows whether KMS lets us, and how much longer than the value it gets.
    const sample = await this.#sample(1, this.#recipe)
    this.#known.add(sample)
    this.#longest = await rows.longest(true)
    const bytes = sample.length - 1 + this.#longest
    checkCapacity(layout, layout.storage === 'text' ? Math.ceil(bytes / 3) * 4 : bytes)
  }

  async samples(): Promise<readonly Stored[]> {
    const longest = this.#column.recipes.mode === 'direct' ? MAX_DIRECT_BYTES : MAX_SAMPLE_BYTES
    if (!this.#recipe) return []
    const samples = [
      await this.#sample(1, this.#recipe),
      await this.#sample(Math.min(this.#longest, longest), this.#recipe),
    ]
    return samples.map((sample) => asStored(this.#column, sample))
  }

  again(): void {
    this.#kept = 0
  }

  async left(rows: ColumnRows, shard: Shard | undefined): Promise<RowsLeft> {
    return { counted: await rows.countPlaintext(shard), met: this.#kept }
  }

  get indexes(): readonly BlindIndex[] {
    return this.#column.indexes
  }

  /** The row of a forgotten value gets indexes all the same: without, it would count as not filled yet for ever. */
  async convert(row: ColumnRow): Promise<Converted | undefined> {
    try {
      const converted = await this.#convert(row)
      if (!converted) this.leave(row)
      return converted
    } catch (error) {
      if (!(error instanceof ForgottenError) || isFilled(this.#column, row)) throw error
      return { value: row.stored, beside: indexesOfNothing(this.#column.indexes) }
    }
  }

  /** What KMS made by itself does not begin like a ciphertext of ours. */
  leave({ stored }: ColumnRow): void {
    if (!beginsLikeCiphertext(stored)) this.#kept++
  }

  async #convert(row: ColumnRow): Promise<Converted | undefined> {
    const recipe = recipeOfRow(this.#column, row)
    const value = await readStored(this.#column, row.stored, recipe, this.#known)
    if (value.kind === 'ciphertext') return this.#indexed(row, value.bytes, recipe)
    requireWhole(row)
    checkDeclaredType(this.#column, value.bytes)
    const beside = indexesToStore(row, await rowIndexes(this.#column, row, recipe, value.bytes))
    return { value: asStored(this.#column, await sealChecked(this.#column, value.bytes, recipe)), beside }
  }

  /** A value that is encrypted already may have no index yet, and stays as it is. */
  async #indexed(row: ColumnRow, ciphertext: Buffer, recipe: RowRecipe): Promise<Converted | undefined> {
    if (isFilled(this.#column, row) && !this.#rebuildsIndexes) return undefined
    const { plaintext } = await this.#column.opener.openWithScope(ciphertext, recipe.scopes)
    const made = await rowIndexes(this.#column, row, recipe, plaintext)
    if (!wrongIndex(this.#column, row, made)) return undefined
    return { value: row.stored, beside: indexesToStore(row, made) }
  }

  async #sample(length: number, recipe: RowRecipe): Promise<Buffer> {
    try {
      return await this.#column.cipher.encrypt(Buffer.alloc(length), recipe)
    } catch (error) {
      throw this.#column.placed(error)
    }
  }
}

/** What the application stores meanwhile would stay plaintext, and instances that do not decrypt are running still. */
function writesPlaintext(column: BoundColumn): KmsEncryptionError {
  return column.error(
    InvalidOptionError,
    "the application still stores plaintext in the column (writes: 'plaintext'). Deploy writes: 'ciphertext' everywhere first, and here. Nothing was changed.",
  )
}
