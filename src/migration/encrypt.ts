import { MAX_DIRECT_BYTES } from '../cipher/suites/direct'
import { type BoundColumn } from '../orm/bound-column'
import { type Stored } from '../orm/read/value-opener'
import { checkCapacity, checkKind } from './column-fits'
import { type Conversion } from './conversion'
import { checkDeclaredType } from './declared-type'
import { type ColumnLayout } from './rows/column-layout'
import { type ColumnRow, type ColumnRows } from '../dialects/rows/column-rows'
import { asStored, KnownKeys, readStored, sealChecked } from './stored-value'

/** Longest value that is made only to be tried out. */
const MAX_SAMPLE_BYTES = 2 ** 20

/** Plaintext becomes ciphertext; ciphertext stays as it is. */
export class Encrypt implements Conversion {
  readonly done = 'encrypted'
  readonly #column: BoundColumn
  readonly #known = new KnownKeys()
  /** Bytes of the longest plaintext. */
  #longest = 0

  constructor(column: BoundColumn) {
    this.#column = column
  }

  async begin(layout: ColumnLayout, rows: ColumnRows): Promise<void> {
    checkKind(layout)
    // One value encrypted for nothing: it shows whether KMS lets us, and how much longer than the value it gets.
    const sample = await this.#sample(1)
    this.#known.add(sample)
    this.#longest = await rows.longest(true)
    const bytes = sample.length - 1 + this.#longest
    checkCapacity(layout, layout.storage === 'text' ? Math.ceil(bytes / 3) * 4 : bytes)
  }

  async samples(): Promise<readonly Stored[]> {
    const longest = this.#column.recipes.mode === 'direct' ? MAX_DIRECT_BYTES : MAX_SAMPLE_BYTES
    const samples = [await this.#sample(1), await this.#sample(Math.min(this.#longest, longest))]
    return samples.map((sample) => asStored(this.#column, sample))
  }

  async convert({ stored }: ColumnRow): Promise<Stored | undefined> {
    const value = await readStored(this.#column, stored, this.#known)
    if (value.kind === 'ciphertext') return undefined
    checkDeclaredType(this.#column, value.bytes)
    return asStored(this.#column, await sealChecked(this.#column, value.bytes, this.#column.recipe))
  }

  async #sample(length: number): Promise<Buffer> {
    try {
      return await this.#column.cipher.encrypt(Buffer.alloc(length), this.#column.recipe)
    } catch (error) {
      throw this.#column.placed(error)
    }
  }
}
