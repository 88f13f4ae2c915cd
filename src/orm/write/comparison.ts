import { FindOperator } from 'typeorm'
import { type Plaintext } from '../../column/types'
import { InvalidValueError, KmsEncryptionError, ValueTooLargeError } from '../../errors'
import { type EncryptedColumn } from '../encrypted-column'
import { SealedValue } from '../sealed-value'
import { IndexedValue } from '../search/indexed'
import { ComparisonToken } from './tokens'

/**
 * What TypeORM gets for a value where it compares or searches. `save` compares the value of the row with that of
 * the entity, twice: before the before-events and after them. Listeners may change the entity's value in between, a
 * Buffer or an object also in place, so it is serialised as it then is, and once more for its statement, for which
 * TypeORM copies objects. Where the application has no such listener, it is serialised once. The row holds what it held
 * when it was loaded, whoever changes the copy of it: that is serialised once.
 */
export class Comparison {
  readonly #column: EncryptedColumn
  /** The token made last, until the current turn of the event loop ends: a comparison is over by then. */
  #lastToken: ComparisonToken | undefined
  /** What was made of the row's value, until the value of its entity is compared: in the same step, or never. */
  #row: { readonly value: unknown } | undefined
  /** The marker that an entity has, until the value of its row is read: in the same step, or never. */
  #marker: unknown
  /** What objects of entities were serialised to when they were last compared. */
  readonly #compared = new WeakMap<object, Plaintext>()
  /** Those of them that nobody changes before their statement. */
  readonly #settled = new WeakSet()
  /** The object of an entity that was read last, if nobody has changed it since it was compared; until the step ends. */
  #unchanged: object | undefined
  /** What objects of rows were serialised to. */
  readonly #rows = new WeakMap<object, Plaintext>()
  /** The value that is asked for is that of a row. */
  #isOfRow = false
  /** What belongs to this step will be forgotten. */
  #isEnding = false

  constructor(column: EncryptedColumn) {
    this.#column = column
  }

  /**
   * Has TypeORM read the value of the row, which it compares with the entity's next. A marker in the entity equals it,
   * whatever it is: a row that was mended since it was loaded must not get its broken value back. The value of a row
   * that the save moves to what it is not bound to equals none.
   */
  readRow(read: () => unknown, isMoved: boolean): unknown {
    if (isMoved) return new ComparisonToken(this.#column, '')
    this.#row = undefined
    const value = this.#read(read)
    // TypeORM 0.3 asks no transformer where the row has NULL: there the marker stands for it.
    this.#row = { value: value === null && this.#marker !== undefined ? this.#marker : value }
    this.#marker = undefined
    this.#forgetWithStep()
    return this.#row.value
  }

  /** One for all rows of a step: for each it would cost as much as comparing it. */
  #forgetWithStep(): void {
    if (this.#isEnding) return
    this.#isEnding = true
    queueMicrotask(() => {
      this.#isEnding = false
      this.#row = this.#marker = this.#unchanged = undefined
    })
  }

  #read(read: () => unknown): unknown {
    this.#isOfRow = true
    try {
      return read()
    } finally {
      this.#isOfRow = false
    }
  }

  /** Takes the value of an entity; TypeORM reads that of its row next, if it compares them. */
  beginWithEntity(value: unknown): void {
    const marker = SealedValue.of(value) ? value : undefined
    this.#marker = marker
    if (marker !== undefined) this.#forgetWithStep()
  }

  /** Keeps what an announced value, which no listener can change any more, was serialised to for its statement. */
  keep(value: unknown, plaintext: Plaintext): void {
    if (typeof value !== 'object' || value === null || typeof plaintext !== 'string') return
    this.#compared.set(value, plaintext)
    this.#settled.add(value)
  }

  /** What was kept for the statement of a value, which is on its way into it. */
  take(value: unknown): Plaintext | undefined {
    if (typeof value !== 'object' || value === null || !this.#settled.delete(value)) return undefined
    return this.#compared.get(value)
  }

  /** TypeORM reads the value of an entity: of another save, it may have changed since the one that kept it. */
  readEntity(value: object, isUnchanged: boolean): void {
    this.#unchanged = isUnchanged ? value : undefined
    if (isUnchanged) this.#forgetWithStep()
    else this.#settled.delete(value)
  }

  /** Equal values give the same object. */
  to(value: unknown): unknown {
    if (value === null || value === undefined || value instanceof ComparisonToken) return value
    if (value instanceof IndexedValue) return value
    if (value instanceof FindOperator) {
      // TypeORM 0.3 leaves this to the transformer where the criteria of `update`, `delete` and builders are read.
      value.transformValue(this.#column)
      return value
    }
    const sealed = SealedValue.of(value)
    if (sealed && this.#row) return this.#row.value
    const plaintext = sealed?.stored ?? this.#comparable(value)
    if (plaintext instanceof KmsEncryptionError) {
      const list = Array.isArray(value) ? value.map((each) => this.to(each)) : undefined
      return new ComparisonToken(this.#column, '', plaintext, list)
    }
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
   * The bytes of a value, or the error for one that cannot be stored: it equals no other. Where it is to be stored,
   * `persist` refuses it; a search with it, such as a pattern for a number, is refused as every search.
   */
  #comparable(value: unknown): Plaintext | KmsEncryptionError {
    const object = typeof value === 'object' && value !== null ? value : undefined
    const known =
      object &&
      (this.#isOfRow ? this.#rows : object === this.#unchanged ? this.#compared : undefined)?.get(object)
    if (known !== undefined) return known
    try {
      const plaintext = this.#column.serialise(value)
      if (object) (this.#isOfRow ? this.#rows : this.#compared).set(object, plaintext)
      return plaintext
    } catch (error) {
      if (object) this.#compared.delete(object)
      if (error instanceof InvalidValueError || error instanceof ValueTooLargeError) return error
      throw error
    }
  }
}
