import { inspect } from 'node:util'
import { FindOperator, type ObjectLiteral, type ValueTransformer } from 'typeorm'
import { type Cipher, type Recipe } from '../cipher/cipher'
import { checkDirectSize } from '../cipher/direct'
import { type Scope } from '../cipher/scope'
import { type OnUndecryptable } from '../column/options'
import { type Plaintext } from '../column/types'
import { type Scheme } from '../column/scheme'
import {
  type ErrorDetails,
  InvalidValueError,
  KmsEncryptionError,
  RawSqlRefusedError,
  ValueTooLargeError,
} from '../errors'
import { ColumnPages, keyOf, type Opened } from './column-pages'
import { SealedValue } from './sealed-value'
import { normaliseStored } from './stored-value'
import { ComparisonToken, PendingCiphertext } from './tokens'
import { type ColumnMetadata } from './typeorm-types'
import { type Stored, ValueOpener } from './value-opener'

/**
 * One encrypted column of one DataSource: knows its table, its key and its cipher, and is the transformer that
 * TypeORM calls. TypeORM calls `to` to compare and to search; what it persists comes through `persist`.
 */
export class BoundColumn implements ValueTransformer {
  /** `Entity.property`, for people. */
  readonly name: string
  /** Names the stored values: two entities over one table share them. */
  readonly cell: string
  /** The cell, and what its values are bound to. */
  readonly binding: string
  /** Opens stored values. */
  readonly opener: ValueOpener
  /** The pages of rows that are to be hydrated. */
  readonly pages: ColumnPages
  /** The token made last, until the current turn of the event loop ends: a comparison is over by then. */
  #lastToken: ComparisonToken | undefined

  constructor(
    readonly metadata: ColumnMetadata,
    readonly scheme: Scheme,
    readonly recipe: Recipe,
    readonly cipher: Cipher,
    pages: Map<string, ColumnPages>,
    previous: readonly Scope[] = [],
    readonly onUndecryptable: OnUndecryptable = 'throw',
  ) {
    const { entityMetadata, propertyPath, databaseName } = metadata
    this.name = `${entityMetadata.name}.${propertyPath}`
    this.cell = `${entityMetadata.tablePath}.${databaseName}`
    this.binding = `${this.cell} ${recipe.scope.aad.toString('latin1')}`
    this.pages = pages.get(this.binding) ?? new ColumnPages()
    pages.set(this.binding, this.pages)
    const modes = [recipe.mode, ...(scheme.options.previous ?? []).map(({ mode }) => mode)]
    this.opener = new ValueOpener(cipher, scheme, [recipe.scope, ...previous], modes.includes('direct'))
  }

  /** An error of this column. */
  error(
    Class: new (reason: string, details: ErrorDetails) => KmsEncryptionError,
    reason: string,
    cause?: unknown,
  ): KmsEncryptionError {
    return new Class(reason, { ...this.#place, ...(cause === undefined ? {} : { cause }) })
  }

  /** For TypeORM: the value in a comparison or a search. Equal values give the same object. */
  to(value: unknown): unknown {
    if (value === null || value === undefined || value instanceof ComparisonToken) return value
    if (value instanceof FindOperator) {
      // TypeORM 0.3 leaves this to the transformer where the criteria of `update`, `delete` and builders are read.
      value.transformValue(this)
      return value
    }
    const plaintext = SealedValue.of(value)?.stored ?? this.#comparable(value)
    if (plaintext === undefined) return new ComparisonToken(this, '')
    const last = this.#lastToken
    if (last?.stands(this, plaintext)) return last
    if (!last) {
      setImmediate(() => {
        this.#lastToken = undefined
      })
    }
    return (this.#lastToken = new ComparisonToken(this, plaintext))
  }

  /** For TypeORM: the value of a row. */
  from(stored: unknown): unknown {
    if (stored === null || stored === undefined) return stored
    const raw = normaliseStored(stored)
    const known = this.pages.isEmpty ? undefined : this.pages.get(keyOf(stored, raw), this)
    return known === undefined ? this.#hydrate(raw) : this.#handOut(raw, known)
  }

  /** A value on its way into a statement. */
  persist(value: unknown): unknown {
    if (value === null || value === undefined || value instanceof PendingCiphertext) return value
    const sealed = SealedValue.of(value)
    if (sealed) {
      if (sealed.column.cell === this.cell) return sealed.stored
      throw this.error(
        InvalidValueError,
        `a value of ${sealed.column.name} that was not decrypted cannot be stored here`,
      )
    }
    const plaintext = this.serialise(value)
    // The application may change its Buffer while KMS is asked.
    return new PendingCiphertext(this, typeof plaintext === 'string' ? plaintext : Buffer.from(plaintext))
  }

  /** The bytes of a value. Throws for a value that cannot be stored, naming entity and property. */
  serialise(value: unknown): Plaintext {
    if (typeof value === 'function') {
      throw this.error(
        RawSqlRefusedError,
        'a raw SQL expression cannot be the value of an encrypted column: it would be stored unencrypted. Pass the value itself; to compute from the stored value, load the entity, change it and save it.',
      )
    }
    try {
      const plaintext = this.scheme.type.serialise(value)
      this.#checkSize(plaintext)
      return plaintext
    } catch (error) {
      throw this.placed(error)
    }
  }

  /** Sees to it that the next value can be encrypted at once; `undefined` if it can be. */
  prepare(): Promise<unknown> | undefined {
    return this.cipher.prepare(this.recipe)?.catch((error: unknown) => {
      throw this.placed(error)
    })
  }

  encryptNow(plaintext: Plaintext): Stored | undefined {
    const ciphertext = this.cipher.encryptNow(plaintext, this.recipe)
    return ciphertext && this.#toStorage(ciphertext)
  }

  async encrypt(plaintext: Plaintext): Promise<Stored> {
    try {
      return this.#toStorage(await this.cipher.encrypt(plaintext, this.recipe))
    } catch (error) {
      throw this.placed(error)
    }
  }

  /** The value of a stored one; may ask KMS. */
  async decrypt(stored: unknown): Promise<unknown> {
    const raw = normaliseStored(stored)
    try {
      return this.scheme.type.deserialise(await this.opener.open(raw))
    } catch (error) {
      throw this.placed(error)
    }
  }

  /** The bytes behind a value of a row, or `undefined` if it cannot be a ciphertext. */
  bytesOf(stored: Stored): Buffer {
    return this.opener.bytesOf(stored)
  }

  /** The same error with entity, property and, where a row is given, its primary key. */
  placed(error: unknown, row?: ObjectLiteral): KmsEncryptionError {
    if (!(error instanceof KmsEncryptionError)) throw error
    const primaryKey = row && this.metadata.entityMetadata.getEntityIdMap(row)
    return error.at({ ...this.#place, ...(primaryKey ? { primaryKey } : {}) })
  }

  [inspect.custom](): string {
    return `[encrypted ${this.name}]`
  }

  get #place(): { entity: string; property: string } {
    return { entity: this.metadata.entityMetadata.name, property: this.metadata.propertyPath }
  }

  /**
   * The bytes of a value, or `undefined` for one that cannot be stored: it equals no other. Where it is to be stored,
   * `persist` refuses it; a search with it, such as a pattern for a number, is refused as every search.
   */
  #comparable(value: unknown): Plaintext | undefined {
    try {
      return this.serialise(value)
    } catch (error) {
      if (error instanceof InvalidValueError || error instanceof ValueTooLargeError) return undefined
      throw error
    }
  }

  /** The value of a stored one where that needs no call to KMS; or else what it will be decrypted from after load. */
  #hydrate(raw: Stored): unknown {
    try {
      const plaintext = this.opener.openNow(raw)
      return plaintext
        ? this.scheme.type.deserialise(plaintext)
        : new SealedValue(this, raw, undefined).placeholder
    } catch (error) {
      return new SealedValue(this, raw, this.placed(error)).placeholder
    }
  }

  /** The value of a stored one that was opened before, or tried to. */
  #handOut(raw: Stored, opened: Opened): unknown {
    if (opened instanceof KmsEncryptionError)
      return new SealedValue(this, raw, this.placed(opened)).placeholder
    if (!Buffer.isBuffer(opened)) return opened
    try {
      // Of a Buffer, too, each gets their own.
      return this.scheme.type.deserialise(Buffer.from(opened))
    } catch (error) {
      return new SealedValue(this, raw, this.placed(error)).placeholder
    }
  }

  #toStorage(ciphertext: Buffer): Stored {
    return this.scheme.options.storage === 'text' ? ciphertext.toString('base64') : ciphertext
  }

  #checkSize(plaintext: Plaintext): void {
    const { maxLength } = this.scheme.options
    const direct = this.recipe.mode === 'direct'
    if (!direct && maxLength === undefined) return
    const bytes = Buffer.byteLength(plaintext)
    if (maxLength !== undefined && bytes > maxLength) {
      throw new ValueTooLargeError(
        `the value has ${bytes} bytes, and maxLength of the column is ${maxLength}. Raise maxLength and widen the column.`,
      )
    }
    if (direct) checkDirectSize(bytes)
  }
}
