import { inspect } from 'node:util'
import { type KmsEncryptionError, NotDecryptedError, SearchRefusedError } from '../../errors'
import { type Plaintext } from '../../column/types'
import { type EncryptedColumn } from '../encrypted-column'
import { type Stored } from '../read/value-opener'
import { type RowRecipe } from '../recipe'
import { samePlaintext } from './same-plaintext'
import { type SealedAhead } from './sealed-ahead'

/**
 * A plaintext on its way through TypeORM, which must not reach the database as it is. Whoever prints it sees where
 * it belongs, and whoever turns it into text, JSON or SQL gets an error.
 */
abstract class Token {
  readonly #plaintext: Plaintext

  constructor(
    readonly column: EncryptedColumn,
    plaintext: Plaintext,
  ) {
    this.#plaintext = plaintext
  }

  protected get plaintext(): Plaintext {
    return this.#plaintext
  }

  /** Why it must not be used as it is. */
  abstract refusal(): KmsEncryptionError

  toString(): string {
    throw this.refusal()
  }

  toJSON(): string {
    throw this.refusal()
  }

  /** mysql2 calls this for a parameter. */
  toSqlString(): string {
    throw this.refusal()
  }

  /** pg calls this for a parameter. */
  toPostgres(): string {
    throw this.refusal()
  }

  [inspect.custom](): string {
    return `[encrypted ${this.column.name}]`
  }
}

/**
 * Stands for a value in a comparison: `save` compares the value of the row with that of the entity, and equal
 * plaintexts must be the same object. A search condition gets one too; there it is refused.
 */
export class ComparisonToken extends Token {
  stands(column: EncryptedColumn, plaintext: Plaintext): boolean {
    return this.column === column && samePlaintext(this.plaintext, plaintext)
  }

  refusal(): KmsEncryptionError {
    return searchRefusal(this.column)
  }
}

/** A value to be stored. The guard of the query runner replaces it by its ciphertext before the statement is sent. */
export class PendingCiphertext extends Token {
  /** The ciphertext for a row: at once, if it was made ahead or if no call to KMS is needed for it. */
  encrypt(recipe: RowRecipe, ahead: SealedAhead): Stored | Promise<Stored> {
    const { column, plaintext } = this
    return (
      ahead.take(column, recipe, plaintext) ??
      column.encryptNow(plaintext, recipe) ??
      column.encrypt(plaintext, recipe)
    )
  }

  refusal(): KmsEncryptionError {
    return this.column.error(
      SearchRefusedError,
      'the value is encrypted when the statement is sent, and cannot be used before. Execute the query builder instead of taking its parameters.',
    )
  }
}

/** A stored value behind a marker, on its way into a row of its own. It is stored as it is, or not at all. */
export class KeptCiphertext extends PendingCiphertext {
  constructor(
    column: EncryptedColumn,
    readonly stored: Stored,
  ) {
    super(column, '')
  }

  override encrypt(): Stored {
    return this.stored
  }

  /** The row may have been mended since the marker was loaded: its value must not be replaced by that of then. */
  updateRefusal(): KmsEncryptionError {
    return this.column.error(
      NotDecryptedError,
      'the value was not decrypted when it was loaded, and cannot be the value of an update: the row may have been mended since. Leave the property out of the update, or give it a new value; save() leaves it out by itself.',
    )
  }
}

export function searchRefusal(column: EncryptedColumn): KmsEncryptionError {
  return column.error(
    SearchRefusedError,
    'an encrypted column cannot be searched: each ciphertext is different, so nothing would match. Search by another column and compare the decrypted values, or keep a keyed hash (HMAC) of the value in a column of its own and search that.',
  )
}
