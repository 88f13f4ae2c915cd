import { isUtf8 } from 'node:buffer'
import { recognise } from '../cipher/recognise'
import { NotRepresentableError } from '../errors'
import { type BoundColumn } from '../orm/bound-column'
import { type Stored } from '../orm/read/value-opener'
import { type Conversion } from './conversion'
import { type ColumnLayout } from './rows/column-layout'
import { type ColumnRow } from './rows/column-rows'
import { readStored } from './stored-value'

/** Ciphertext becomes plaintext, as bytes in a binary column and as text in a text column. */
export class Decrypt implements Conversion {
  readonly done = 'decrypted'
  readonly #column: BoundColumn
  #layout: ColumnLayout | undefined

  constructor(column: BoundColumn) {
    this.#column = column
  }

  begin(layout: ColumnLayout): Promise<void> {
    this.#layout = layout
    return Promise.resolve()
  }

  async convert({ stored }: ColumnRow): Promise<Stored | undefined> {
    const value = await readStored(this.#column, stored)
    if (value.kind === 'plaintext') return undefined
    const { plaintext } = await this.#column.opener.openWithScope(value.bytes, this.#column.recipe.scopes)
    const { kind } = recognise(plaintext)
    const again = recognise(this.#column.opener.bytesOf(plaintext))
    if (kind === 'bare' || (again.kind === 'ciphertext' && again.certain)) {
      throw new NotRepresentableError(
        'the decrypted value is itself a ciphertext of KMS, and could not be told from an encrypted row. Take it out of the table first.',
      )
    }
    return this.#layout!.kind === 'text' ? this.#asText(plaintext) : this.#asBytes(plaintext)
  }

  #asBytes(plaintext: Buffer): Buffer {
    this.#checkLength(plaintext.length)
    return plaintext
  }

  #asText(plaintext: Buffer): string {
    const nul = this.#layout!.database === 'postgres' && plaintext.includes(0)
    if (!isUtf8(plaintext) || nul) {
      throw new NotRepresentableError(
        `the decrypted value has bytes that a column of type ${this.#layout!.type} cannot hold. Change the column to a binary type first.`,
      )
    }
    const text = plaintext.toString('utf8')
    this.#checkLength(Array.from(text).length)
    return text
  }

  #checkLength(length: number): void {
    const { capacity, type } = this.#layout!
    if (capacity === undefined || length <= capacity) return
    throw new NotRepresentableError(
      `the decrypted value has a length of ${length}, and the column (${type}) holds ${capacity}. Widen the column first.`,
    )
  }
}
