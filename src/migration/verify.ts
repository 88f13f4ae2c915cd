import { asPlaintext } from '../cipher/bytes'
import { IndexWrongError, RowsLeftOutError } from '../errors'
import { type ColumnRow, type ColumnRows } from '../dialects/rows/column-rows'
import { type Shard } from '../dialects/rows/key-order'
import { type BoundColumn } from '../orm/bound-column'
import { type BlindIndex } from '../orm/search/blind-index'
import { type IndexValue } from '../orm/search/keyed-index'
import { type Conversion } from './conversion'
import { type RowFinder } from './find-row'
import { rowIndexes, wrongIndex } from './indexes/row-indexes'
import { recipeOfRow } from './row-recipe'
import { beginsLikeCiphertext, KnownKeys, readEncrypted } from './stored-value'

/** Opens every value, compares its blind indexes, and changes none. */
export class Verify implements Conversion {
  readonly done = 'verified'
  readonly certifies = true
  readonly leavesForgotten = true
  /** Rows that the database counts at the end as not beginning like a ciphertext. */
  notCiphertext = 0
  #notCiphertextSeen = 0
  readonly #column: BoundColumn
  readonly #known = new KnownKeys()
  readonly #finder: RowFinder | undefined

  /** `finder`: looks for the rows of values that do not open in their own. */
  constructor(column: BoundColumn, finder?: RowFinder) {
    this.#column = column
    this.#finder = finder
  }

  begin(): Promise<void> {
    return Promise.resolve()
  }

  again(): void {
    this.#notCiphertextSeen = 0
  }

  async convert(row: ColumnRow): Promise<undefined> {
    try {
      await this.#check(row)
    } catch (error) {
      this.#finder?.add(row, error)
      throw error
    }
  }

  async #check(row: ColumnRow): Promise<void> {
    const { opener, scheme } = this.#column
    const { stored } = row
    const recipe = recipeOfRow(this.#column, row)
    if (!beginsLikeCiphertext(stored)) this.#notCiphertextSeen++
    const value = await readEncrypted(this.#column, stored, recipe, this.#known)
    if (value.kind === 'ciphertext') {
      const { plaintext } = await opener.openWithScope(value.bytes, recipe.scopes)
      scheme.type.deserialise(plaintext)
      this.#checkIndexes(row, await rowIndexes(this.#column, row, recipe, plaintext))
    } else {
      scheme.type.deserialise(asPlaintext(value.bytes))
      this.#checkIndexes(row, await rowIndexes(this.#column, row, recipe, value.bytes))
    }
  }

  get indexes(): readonly BlindIndex[] {
    return this.#column.indexes
  }

  #checkIndexes(row: ColumnRow, expected: readonly (IndexValue | null | undefined)[]): void {
    const wrong = wrongIndex(this.#column, row, expected)
    if (!wrong || (wrong.isMissing && wrong.index.declared.isFilling)) return
    const name = wrong.index.metadata.databaseName
    throw new IndexWrongError(
      wrong.isMissing
        ? `the row has no blind index (${name}), and is found by no search. Fill it: typeorm-kms encrypt.`
        : `the blind index of the row (${name}) is not that of its value: somebody wrote one of them, or the index key, normalize, table or column changed. Find out who; typeorm-kms encrypt --rebuild-indexes mends it.`,
    )
  }

  async end(rows: ColumnRows, shard: Shard | undefined): Promise<void> {
    this.notCiphertext = await rows.countPlaintext(shard)
    const unseen = this.notCiphertext - this.#notCiphertextSeen
    // Where that is accepted, the application may have written some meanwhile.
    const { acceptPlaintext, acceptFormats } = this.#column.scheme.options
    if (unseen <= 0 || acceptPlaintext || acceptFormats) return
    throw this.#column.error(
      RowsLeftOutError,
      `the database counts ${this.notCiphertext} rows that are no ciphertext, and ${this.#notCiphertextSeen} of them were seen. The others were written meanwhile, or left out. Encrypt the column, then run the same again.`,
    )
  }
}
