import { asPlaintext } from '../cipher/bytes'
import { PlaintextFoundError, RowsLeftOutError } from '../errors'
import { type ColumnRow, type ColumnRows } from '../dialects/rows/column-rows'
import { asBuffer } from '../dialects/rows/is-same'
import { type Shard } from '../dialects/rows/key-order'
import { type BoundColumn } from '../orm/bound-column'
import { type Stored } from '../orm/read/value-opener'
import { type Conversion } from './conversion'
import { recipeOfRow } from './row-recipe'
import { readStored } from './stored-value'

/** Opens every value and changes none. */
export class Verify implements Conversion {
  readonly done = 'verified'
  readonly certifies = true
  readonly leavesForgotten = true
  /** Rows that the database counts at the end as not beginning like a ciphertext. */
  notCiphertext = 0
  #notCiphertextSeen = 0
  readonly #column: BoundColumn

  constructor(column: BoundColumn) {
    this.#column = column
  }

  begin(): Promise<void> {
    return Promise.resolve()
  }

  async convert(row: ColumnRow): Promise<undefined> {
    const { opener, scheme } = this.#column
    const { stored } = row
    const recipe = recipeOfRow(this.#column, row)
    if (!beginsLikeCiphertext(stored)) this.#notCiphertextSeen++
    const value = await readStored(this.#column, stored, recipe)
    if (value.kind === 'ciphertext') {
      const { plaintext } = await opener.openWithScope(value.bytes, recipe.scopes)
      scheme.type.deserialise(plaintext)
    } else if (scheme.options.acceptPlaintext) scheme.type.deserialise(asPlaintext(value.bytes))
    else throw new PlaintextFoundError('the row holds plaintext. Encrypt the column (encryptColumns).')
  }

  async end(rows: ColumnRows, shard: Shard | undefined): Promise<void> {
    this.notCiphertext = await rows.countPlaintext(shard)
    const unseen = this.notCiphertext - this.#notCiphertextSeen
    // Where plaintext is accepted, the application may have written some meanwhile.
    if (unseen <= 0 || this.#column.scheme.options.acceptPlaintext) return
    throw this.#column.error(
      RowsLeftOutError,
      `the database counts ${this.notCiphertext} rows that are no ciphertext, and ${this.#notCiphertextSeen} of them were seen. The others were written meanwhile, or left out. Encrypt the column, then run the same again.`,
    )
  }
}

/** By the same rule as the database's count. */
function beginsLikeCiphertext(stored: Stored): boolean {
  const bytes = asBuffer(stored)
  return bytes[0] === 0xc1 || bytes.subarray(0, 3).equals(BASE64_START)
}

const BASE64_START = Buffer.from('wQE')
