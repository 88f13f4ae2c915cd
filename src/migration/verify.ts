import { type KmsEncryptionErrorCode, PlaintextFoundError } from '../errors'
import { isLasting } from '../errors/kinds'
import { type BoundColumn } from '../orm/bound-column'
import { type Conversion } from './conversion'
import { type ColumnLayout } from './rows/column-layout'
import { type ColumnRow, primaryKeyOf } from './rows/column-rows'
import { readStored } from './stored-value'

/** A row whose value cannot be read. */
export interface Unreadable {
  primaryKey: Readonly<Record<string, unknown>>
  /** Code of the error, e.g. `CIPHERTEXT_TAMPERED`. */
  code: KmsEncryptionErrorCode
  reason: string
}

/** Failures listed; the others are only counted. */
const MAX_LISTED = 1_000

/** Opens every value and changes none. */
export class Verify implements Conversion {
  readonly done = 'verified'
  readonly unreadable: Unreadable[] = []
  failed = 0
  readonly #column: BoundColumn
  #layout: ColumnLayout | undefined

  constructor(column: BoundColumn) {
    this.#column = column
  }

  begin(layout: ColumnLayout): Promise<void> {
    this.#layout = layout
    return Promise.resolve()
  }

  async convert(row: ColumnRow): Promise<undefined> {
    try {
      await this.#read(row)
    } catch (error) {
      // Trouble of KMS itself says nothing about the row.
      if (!isLasting(error)) throw error
      this.failed++
      const { code, reason } = error
      if (this.unreadable.length < MAX_LISTED) {
        this.unreadable.push({ primaryKey: primaryKeyOf(this.#layout!, row), code, reason })
      }
    }
  }

  async #read({ stored }: ColumnRow): Promise<void> {
    const { opener, recipe, scheme } = this.#column
    const value = await readStored(this.#column, stored)
    if (value.kind === 'ciphertext') {
      const { plaintext } = await opener.openWithScope(value.bytes, recipe.scopes)
      scheme.type.deserialise(plaintext)
    } else if (scheme.options.acceptPlaintext) scheme.type.deserialise(value.bytes)
    else throw new PlaintextFoundError('the row holds plaintext. Encrypt the column (encryptColumns).')
  }
}
