import { type ObjectLiteral } from 'typeorm'
import { DecryptionDeniedError, NotDecryptedError } from '../../errors'
import { type EncryptedColumn } from '../encrypted-column'
import { type RowRecipe } from '../recipe'
import { SealedValue } from '../sealed-value'
import { isMarked } from './marked'
import { type Stored } from './value-opener'

/** A stored value of a column whose values are opened when their properties are read (`open: 'on-read'`). */
export class UnreadValue {
  /** True once there was one in this process: until then nobody need look for them. */
  static exists = false
  /** The entity that it is of; once it is a property. */
  entity: ObjectLiteral | undefined
  /** The value, where the property can no longer be changed. */
  kept: { readonly value: unknown } | undefined

  constructor(
    readonly column: EncryptedColumn,
    /** As it is in the database. */
    readonly stored: Stored,
    readonly recipe: RowRecipe,
  ) {
    UnreadValue.exists = true
  }

  /** True if its data key is in memory. */
  get isAtHand(): boolean {
    return this.column.opener.isAtHand(this.stored, this.recipe.scopes)
  }

  /** Names its row, for whoever watches. */
  row(): ObjectLiteral | undefined {
    return this.entity && this.column.keyOf(this.entity)
  }

  /** The value, or a marker where that may stand for one that does not open. Throws the failure. */
  open(): unknown {
    const { column, stored, recipe } = this
    try {
      const plaintext = column.opener.openNow(stored, recipe.scopes, undefined, () => this.row())
      if (plaintext) return column.scheme.type.deserialise(plaintext)
    } catch (error) {
      return this.failed(error)
    }
    throw column.placed(
      column.error(
        NotDecryptedError,
        "the value was to be opened when it is read (open: 'on-read'), and its data key is no longer in memory. Read it sooner, or await encryption.open(entity) before.",
      ),
      this.entity,
    )
  }

  /** What stands for a value that does not open; or throws the failure. Who may not open it now may do so later. */
  failed(error: unknown): object {
    const { column, stored, entity } = this
    const failure = column.placed(error, entity)
    if (failure instanceof DecryptionDeniedError || !isMarked(column, failure)) throw failure
    return new SealedValue(column, stored, failure).placeholder
  }
}
