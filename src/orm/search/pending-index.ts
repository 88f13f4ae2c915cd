import { type Plaintext } from '../../column/types'
import { type Stored } from '../read/value-opener'
import { type RowRecipe } from '../recipe'
import { PendingCiphertext } from '../write/tokens'
import { type BlindIndex } from './blind-index'

/** The index of a value to be stored, under a key that depends on the row: made when the row is known. */
export class PendingIndex extends PendingCiphertext {
  constructor(
    private readonly index: BlindIndex,
    plaintext: Plaintext,
  ) {
    super(index.column, plaintext)
  }

  override encrypt({ scope }: RowRecipe): Stored | Promise<Stored> {
    const keyed = this.index.under(scope.context)
    return keyed.prepare()?.then(() => keyed.valueOf(this.plaintext)) ?? keyed.valueOf(this.plaintext)
  }
}
