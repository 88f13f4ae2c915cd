import { isUtf8 } from 'node:buffer'
import { parse } from '../cipher/ciphertext'
import { NotRepresentableError } from '../errors'
import { type BoundColumn } from '../orm/bound-column'
import { type RowRecipe } from '../orm/recipe'
import { type Conversion, type RowsLeft } from './conversion'
import { type ColumnLayout } from './rows/column-layout'
import { type ColumnRow, type ColumnRows, type Converted } from '../dialects/rows/column-rows'
import { type Shard } from '../dialects/rows/key-order'
import { recipeOfRow } from './row-recipe'
import { beginsLikeCiphertext, KnownKeys, readStored, requireWhole, type StoredValue } from './stored-value'

/** Ciphertext becomes plaintext, as bytes in a binary column and as text in a text column. */
export class Decrypt implements Conversion {
  readonly done = 'decrypted'
  readonly #column: BoundColumn
  #columnNow: Pick<ColumnLayout, 'dialect' | 'kind' | 'type' | 'capacity'> | undefined

  /** What begins like a ciphertext, and stays so. */
  #kept = 0

  constructor(column: BoundColumn) {
    this.#column = column
  }

  begin(layout: ColumnLayout): Promise<void> {
    this.#columnNow = layout
    return Promise.resolve()
  }

  again(): void {
    this.#kept = 0
  }

  leave({ stored }: Pick<ColumnRow, 'stored'>): void {
    if (beginsLikeCiphertext(stored)) this.#kept++
  }

  async left(rows: ColumnRows, shard: Shard | undefined): Promise<RowsLeft> {
    const counted = (await rows.count(shard)) - (await rows.countPlaintext(shard))
    return { counted, met: this.#kept }
  }

  async convert(row: ColumnRow): Promise<Converted | undefined> {
    const converted = await this.#convert(row)
    this.leave({ stored: converted?.value ?? row.stored })
    return converted
  }

  async #convert(row: ColumnRow): Promise<Converted | undefined> {
    const recipe = recipeOfRow(this.#column, row)
    const value = await readStored(this.#column, row.stored, recipe)
    if (value.kind === 'plaintext') return undefined
    if (value.kind === 'foreign') requireWhole(row)
    const plaintext = await this.#plaintextOf(value, recipe)
    if (this.#isCiphertext(plaintext, value.bytes)) {
      throw new NotRepresentableError(
        'the decrypted value is itself a ciphertext of KMS, and could not be told from an encrypted row. Take it out of the table first.',
      )
    }
    return { value: this.#layout.kind === 'text' ? this.#asText(plaintext) : this.#asBytes(plaintext) }
  }

  async #plaintextOf({ kind, bytes }: StoredValue, { scopes }: RowRecipe): Promise<Buffer> {
    if (kind === 'foreign') return bytes
    return (await this.#column.opener.openWithScope(bytes, scopes)).plaintext
  }

  get #layout() {
    if (!this.#columnNow) throw new TypeError('begin() comes first')
    return this.#columnNow
  }

  /** True if a value would be taken for a ciphertext. */
  #isCiphertext(plaintext: Buffer, outer: Buffer): boolean {
    if (parse(plaintext).kind === 'bare') return true
    const bytes = this.#column.opener.bytesOf(plaintext)
    const { kind } = parse(bytes)
    if (kind !== 'ciphertext') return kind === 'newer'
    const known = new KnownKeys()
    known.add(outer)
    return known.carries(bytes)
  }

  #asBytes(plaintext: Buffer): Buffer {
    this.#checkLength(plaintext.length)
    return plaintext
  }

  #asText(plaintext: Buffer): string {
    const { dialect, type } = this.#layout
    if (!isUtf8(plaintext) || !dialect.isStorableText(plaintext)) {
      throw new NotRepresentableError(
        `the decrypted value has bytes that a column of type ${type} cannot hold. Change the column to a binary type first.`,
      )
    }
    const text = plaintext.toString('utf8')
    this.#checkLength(Array.from(text).length)
    return text
  }

  #checkLength(length: number): void {
    const { capacity, type } = this.#layout
    if (capacity === undefined || length <= capacity) return
    throw new NotRepresentableError(
      `the decrypted value has a length of ${length}, and the column (${type}) holds ${capacity}. Widen the column first.`,
    )
  }
}
