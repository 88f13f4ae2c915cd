import { InvalidValueError } from '../errors'
import { type BoundColumn } from '../orm/bound-column'
import { type Stored } from '../orm/read/value-opener'
import { checkCapacity, checkKind } from './column-fits'
import { type Conversion } from './conversion'
import { type ColumnLayout } from './rows/column-layout'
import { type ColumnRow, type ColumnRows } from './rows/column-rows'
import { asStored, readStored, sealChecked } from './stored-value'

/** Types with exactly one text per value; a text in another form would come back as another one. */
const CANONICAL = new Set(['boolean', 'bigint', 'date'])

/** Plaintext becomes ciphertext; ciphertext stays as it is. */
export class Encrypt implements Conversion {
  readonly done = 'encrypted'
  readonly #column: BoundColumn

  constructor(column: BoundColumn) {
    this.#column = column
  }

  async begin(layout: ColumnLayout, rows: ColumnRows): Promise<void> {
    checkKind(layout)
    // One value encrypted for nothing: it shows whether KMS lets us, and how much longer than the value it gets.
    const sample = await this.#sample()
    if (layout.capacity === undefined) return
    const bytes = sample.length - 1 + (await rows.longest(true))
    checkCapacity(layout, this.#column.scheme.options.storage === 'text' ? Math.ceil(bytes / 3) * 4 : bytes)
  }

  async convert({ stored }: ColumnRow): Promise<Stored | undefined> {
    const value = await readStored(this.#column, stored)
    if (value.kind === 'ciphertext') return undefined
    this.#check(value.bytes)
    return asStored(this.#column, await sealChecked(this.#column, value.bytes, this.#column.recipe))
  }

  async #sample(): Promise<Buffer> {
    try {
      return await this.#column.cipher.encrypt(Buffer.alloc(1), this.#column.recipe)
    } catch (error) {
      throw this.#column.placed(error)
    }
  }

  /** What is encrypted must be what the application will be able to read, as the same value. */
  #check(bytes: Buffer): void {
    const { type } = this.#column.scheme
    const serialised = this.#column.serialise(type.deserialise(bytes))
    if (!CANONICAL.has(type.name) || Buffer.from(serialised).equals(bytes)) return
    throw new InvalidValueError(
      `the stored text is not a ${type.name} as the library writes it${type.name === 'date' ? ' (ISO 8601 in UTC with milliseconds)' : ''}. Convert the column's values first; migration:generate writes the statement.`,
    )
  }
}
