import { randomUUID } from 'node:crypto'
import { inspect } from 'node:util'
import { type KmsEncryptionError, NotDecryptedError, SearchRefusedError } from '../../errors'
import { DEFAULT_INDEX } from '../../column/search'
import { type Plaintext } from '../../column/types'
import { type EncryptedColumn } from '../encrypted-column'
import { type Stored } from '../read/value-opener'
import { type RowRecipe } from '../recipe'
import { samePlaintext } from './same-plaintext'
import { type SealedAhead } from './sealed-ahead'

/**
 * In keys of the query result cache: the index of a value, and what stands for it until there is an index key. No text
 * that somebody searches begins like it.
 */
export const INDEXED = `typeorm-kms-encrypted/index:${randomUUID()}:`
export const NOT_INDEXED = 'typeorm-kms-encrypted/not-indexed'

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

  /** Makes something of the plaintext that does not show it. */
  indexed<Made>(make: (plaintext: Plaintext) => Made): Made {
    return make(this.#plaintext)
  }

  /** True for a token of this plaintext. */
  is(plaintext: Plaintext): boolean {
    return samePlaintext(this.#plaintext, plaintext)
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
  /** The hash of the value under a key, which is asked for again: by the cache's key, the statement and its rows. */
  #hashed: { readonly by: Hasher; readonly hash: Buffer } | undefined

  constructor(
    column: EncryptedColumn,
    plaintext: Plaintext,
    /** Why it is no value of the column: then no row has it, and a search is refused. */
    readonly fault?: KmsEncryptionError,
    /** Where it is a list of values, as `Any` takes one, and no value of the column. */
    readonly list?: readonly unknown[],
  ) {
    super(column, plaintext)
  }

  override indexed<Made>(make: (plaintext: Plaintext) => Made): Made {
    if (this.fault) throw this.column.placed(this.fault)
    return super.indexed(make)
  }

  /** The hash of the value, as an index makes it. */
  hashBy(by: Hasher): Buffer {
    if (this.#hashed?.by !== by)
      this.#hashed = { by, hash: this.indexed((plaintext) => by.hashOf(plaintext)) }
    return this.#hashed.hash
  }

  /** The bytes of the value, one a character; `undefined` for what is no value of the column. */
  bytesOf(column: EncryptedColumn): string | undefined {
    if (this.column.cell !== column.cell || this.fault || this.list) return undefined
    const { plaintext } = this
    // Text of ASCII is its bytes.
    if (typeof plaintext === 'string' && Buffer.byteLength(plaintext) === plaintext.length) return plaintext
    return Buffer.from(plaintext as Uint8Array).toString('latin1')
  }

  /**
   * TypeORM makes text of all parameters, and a key of it for the query result cache. Where rows are found by the value,
   * its index stands there; that the cache is not asked before the index can be made, nor where rows are found by several
   * values together, `guardCachedResults` sees to.
   */
  override toJSON(): string {
    if (!this.column.searchedBy) return this.column.isIndexedTogether ? NOT_INDEXED : super.toJSON()
    const index = this.column.searchedBy.constant
    if (this.fault || !index?.isReady) return NOT_INDEXED
    return `${INDEXED}${this.hashBy(index).toString('hex')}`
  }

  stands(column: EncryptedColumn, plaintext: Plaintext): boolean {
    return this.column === column && this.is(plaintext)
  }

  refusal(): KmsEncryptionError {
    return searchRefusal(this.column)
  }
}

/** An index that makes hashes of serialised values. */
interface Hasher {
  hashOf(plaintext: Plaintext): Buffer
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

/** A value that `writes` has stored as it is. Nothing shows it until its statement is sent. */
export class PendingPlaintext extends PendingCiphertext {
  /** What the statement is sent with. Throws for a value that would not be read as it is. */
  get parameter(): unknown {
    const { column, plaintext } = this
    return column.plaintextWrites?.parameter(plaintext, column.opener)
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
  if (column.scheme.indexes.length > 0) return notAnswered(column)
  return column.error(
    SearchRefusedError,
    'an encrypted column cannot be searched: each ciphertext is different, so nothing would match. Search by another column and compare the decrypted values, or declare the column with search: true, which keeps a blind index of it.',
  )
}

/** Why a search is refused of a column that has a blind index. */
function notAnswered(column: EncryptedColumn): KmsEncryptionError {
  const own = column.scheme.indexes.find(({ name }) => name === DEFAULT_INDEX)
  if (!own) {
    return column.error(
      SearchRefusedError,
      `the column is searched by its named indexes only: Indexed('${column.scheme.indexes[0]?.name ?? ''}', …). Add true to the list of search to find rows by the value itself.`,
    )
  }
  if (own.isFilling) {
    return column.error(
      SearchRefusedError,
      'the blind index of the column is being filled (filling: true), and answers no search yet. When each row was written again, leave out filling.',
    )
  }
  const isExact = own.normalize === undefined && own.bits === undefined
  const can = isExact
    ? '=, <>, IN, NOT IN and = ANY'
    : `with ${own.bits === undefined ? 'normalize' : 'bits'}, =, IN and = ANY, not under NOT,`
  return column.error(
    SearchRefusedError,
    `the blind index of the column answers conditions of equality only: ${can} with values as parameters, and IS NULL, on the column of its own table. In find options: a value, Equal, In, Any, Or${isExact ? ', Not' : ''}, IsNull. Order, patterns, functions and other columns would see ciphertext: load the values and compare them.`,
  )
}
