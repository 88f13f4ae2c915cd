import { FindOperator } from 'typeorm'
import { type Plaintext } from '../../column/types'
import { InvalidValueError, ValueTooLargeError } from '../../errors'
import { type EncryptedColumn } from '../encrypted-column'
import { SealedValue } from '../sealed-value'
import { ComparisonToken } from './tokens'

/**
 * What TypeORM gets for a value where it compares or searches. `save` compares the value of the row with that of
 * the entity, twice: before the before-events and after them, because listeners may change either in between, a
 * Buffer or an object also in place. So each of the four is serialised as it then is.
 */
export class Comparison {
  readonly #column: EncryptedColumn
  /** The token made last, until the current turn of the event loop ends: a comparison is over by then. */
  #lastToken: ComparisonToken | undefined
  /** What was made of the row's value, until the value of its entity is compared: in the same step, or never. */
  #row: { readonly value: unknown } | undefined
  /** The marker that an entity has, until the value of its row is read: in the same step, or never. */
  #marker: unknown
  /** What objects were serialised to when they were last compared. */
  #compared = new WeakMap<object, Plaintext>()

  constructor(column: EncryptedColumn) {
    this.#column = column
  }

  /**
   * Takes what was made of the value in the row, which TypeORM compares with the entity's next. A marker in the
   * entity equals it, whatever it is: a row that was mended since it was loaded must not get its broken value back.
   */
  beginWithRow(read: unknown): unknown {
    // TypeORM 0.3 asks no transformer where the row has NULL: there the marker stands for it.
    const value = read === null && this.#marker !== undefined ? this.#marker : read
    const row = { value }
    this.#row = row
    this.#marker = undefined
    queueMicrotask(() => {
      if (this.#row === row) this.#row = undefined
    })
    return value
  }

  /** Takes the value of an entity; TypeORM reads that of its row next, if it compares them. */
  beginWithEntity(value: unknown): void {
    const marker = SealedValue.of(value) ? value : undefined
    this.#marker = marker
    if (marker === undefined) return
    queueMicrotask(() => {
      if (this.#marker === marker) this.#marker = undefined
    })
  }

  /** Equal values give the same object. */
  to(value: unknown): unknown {
    if (value === null || value === undefined || value instanceof ComparisonToken) return value
    if (value instanceof FindOperator) {
      // TypeORM 0.3 leaves this to the transformer where the criteria of `update`, `delete` and builders are read.
      value.transformValue(this.#column)
      return value
    }
    const sealed = SealedValue.of(value)
    if (sealed && this.#row) return this.#row.value
    const plaintext = sealed?.stored ?? this.#comparable(value)
    if (plaintext === undefined) return new ComparisonToken(this.#column, '')
    const last = this.#lastToken
    if (last?.stands(this.#column, plaintext)) return last
    if (!last) {
      setImmediate(() => {
        this.#lastToken = undefined
      })
    }
    return (this.#lastToken = new ComparisonToken(this.#column, plaintext))
  }

  /**
   * What an object was serialised to when TypeORM compared it last. It may have been changed since: good enough to
   * encrypt ahead, which is compared with what is stored, and for nothing else.
   */
  plaintextOf(value: unknown): Plaintext | undefined {
    return typeof value === 'object' && value !== null ? this.#compared.get(value) : undefined
  }

  /**
   * The bytes of a value, or `undefined` for one that cannot be stored: it equals no other. Where it is to be stored,
   * `persist` refuses it; a search with it, such as a pattern for a number, is refused as every search.
   */
  #comparable(value: unknown): Plaintext | undefined {
    try {
      const plaintext = this.#column.serialise(value)
      if (typeof value === 'object' && value !== null) this.#compared.set(value, plaintext)
      return plaintext
    } catch (error) {
      if (typeof value === 'object' && value !== null) this.#compared.delete(value)
      if (error instanceof InvalidValueError || error instanceof ValueTooLargeError) return undefined
      throw error
    }
  }
}
