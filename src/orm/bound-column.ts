import { inspect } from 'node:util'
import { type ObjectLiteral, type ValueTransformer } from 'typeorm'
import { type Cipher } from '../cipher/cipher'
import { checkDirectSize } from '../cipher/suites/direct'
import { type Delivery, storedFromDriver } from '../column/driver-value'
import { type OnUndecryptable } from '../column/options'
import { type Plaintext } from '../column/types'
import { type Scheme } from '../column/scheme'
import { type NamedRow } from '../diagnostics'
import {
  DriverValueError,
  type ErrorDetails,
  InvalidValueError,
  KmsEncryptionError,
  RawSqlRefusedError,
  TamperedCiphertextError,
  ValueTooLargeError,
  WrongContextError,
  WrongRowError,
} from '../errors'
import { type EncryptedColumn } from './encrypted-column'
import { Hydration } from './read/hydration'
import { type OpenedResults } from './read/opened-results'
import { type Stored, ValueOpener } from './read/value-opener'
import { type Recipes, type RowRecipe, type RowValues } from './recipe'
import { SealedValue } from './sealed-value'
import { type BlindIndex } from './search/blind-index'
import { type ColumnMetadata } from './typeorm-types'
import { Comparison } from './write/comparison'
import { ciphertextIn } from './write/own-ciphertext'
import { pending, persist } from './write/persist'
import { samePlaintext } from './write/same-plaintext'
import { type PlaintextWrites } from './write/plaintext-writes'
import { isSettled } from './write/settled'

/**
 * One encrypted column of one DataSource: its names, its values' type, and how the values of a row are encrypted.
 * It is the transformer that TypeORM calls: `to` to compare and to search, `from` for the values of a row. What
 * TypeORM persists comes through `persist`.
 */
export class BoundColumn implements ValueTransformer, EncryptedColumn {
  /** `Entity.property`, for people. */
  readonly name: string
  /** Names the stored values: two entities over one table share them. */
  readonly cell: string
  /** Opens stored values. */
  readonly opener: ValueOpener
  /** The blind indexes beside it; they are there once the metadata of its DataSource is complete. */
  indexes: readonly BlindIndex[] = []
  /** Those of other columns that are made of its values, too. */
  sharedIndexes: readonly BlindIndex[] = []
  readonly #hydration: Hydration
  readonly #comparison = new Comparison(this)

  constructor(
    readonly metadata: ColumnMetadata,
    readonly scheme: Scheme,
    /** How the values of each row are encrypted. */
    readonly recipes: Recipes,
    readonly cipher: Cipher,
    opened: OpenedResults,
    readonly onUndecryptable: OnUndecryptable = 'throw',
    readonly delivery: Delivery = 'bytes',
    readonly plaintextWrites?: PlaintextWrites,
  ) {
    const { entityMetadata, propertyPath, databaseName } = metadata
    this.name = `${entityMetadata.name}.${propertyPath}`
    this.cell = `${entityMetadata.tablePath}.${databaseName}`
    const modes = [recipes.mode, ...(scheme.options.previous ?? []).map(({ mode }) => mode)]
    this.opener = new ValueOpener(cipher, scheme, modes.includes('direct'))
    this.#hydration = new Hydration(this, opened)
  }

  /** What answers conditions on the column itself. */
  get searchedBy(): BlindIndex | undefined {
    return this.indexes.find(({ isOfValue }) => isOfValue)
  }

  get opensOnRead(): boolean {
    return this.scheme.options.open === 'on-read'
  }

  get isIndexedTogether(): boolean {
    return this.sharedIndexes.length > 0 || this.indexes.some(({ isCompound }) => isCompound)
  }

  /** The recipe of every row. Throws `RowUnknownError` where it depends on the row. */
  get recipe(): RowRecipe {
    return this.recipes.constant ?? this.recipes.of(() => undefined)
  }

  /** The recipe for opening what a row has. A row that nothing can be bound to holds nothing of its own. */
  recipeOfStored(row: RowValues): RowRecipe {
    const { constant } = this.recipes
    if (constant) return constant
    try {
      return this.recipes.of(row)
    } catch (error) {
      if (error instanceof InvalidValueError) throw this.error(WrongRowError, error.reason, error)
      throw error
    }
  }

  /** For TypeORM: the value in a comparison or a search. Equal values give the same object. */
  to(value: unknown): unknown {
    return this.#comparison.to(value)
  }

  /** TypeORM reads the value of an entity, maybe to compare it with that of its row next. */
  compareNext(value: unknown, entity: ObjectLiteral): void {
    if (typeof value === 'object' && value !== null) this.#comparison.readEntity(value, isSettled(entity))
    if (SealedValue.exists) this.#comparison.beginWithEntity(value)
  }

  /** Has TypeORM read the value of a row through `to`, which it compares with the value of the entity next. */
  readRow(read: () => unknown, isMoved = false): unknown {
    return this.#comparison.readRow(read, isMoved)
  }

  /** For TypeORM: the value of a row. */
  from(stored: unknown): unknown {
    return this.#hydration.from(stored)
  }

  /** Keeps what an announced value, which cannot change until then, was serialised to for its statement. */
  keep(value: unknown, plaintext: Plaintext): void {
    this.#comparison.keep(value, plaintext)
  }

  /** What `save` copies for a statement instead of a value: that which was kept, as it does not serialise copies. */
  forStatement(value: unknown): unknown {
    const plaintext = this.#comparison.take(value)
    return plaintext === undefined ? value : pending(this, plaintext)
  }

  /** A value on its way into a statement. */
  persist(value: unknown): unknown {
    return persist(this, value)
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

  /** The bytes of a value that TypeORM has just compared, as they were then; or as they are now. */
  serialiseCompared(value: unknown): Plaintext {
    return this.#comparison.plaintextOf(value) ?? this.serialise(value)
  }

  /** True for two values that are stored alike; false where either is a marker, or none that can be stored. */
  isSame(a: unknown, b: unknown): boolean {
    const none = [a, b].some((value) => value === null || value === undefined || SealedValue.of(value))
    if (none) return false
    try {
      return samePlaintext(this.serialise(a), this.serialise(b))
    } catch (error) {
      if (error instanceof KmsEncryptionError) return false
      throw error
    }
  }

  /** Sees to it that the next value can be encrypted at once; `undefined` if it can be. */
  prepare(recipe: RowRecipe): Promise<unknown> | undefined {
    return this.cipher.prepare(recipe)?.catch((error: unknown) => {
      throw this.placed(error)
    })
  }

  encryptNow(plaintext: Plaintext, recipe: RowRecipe): Stored | undefined {
    // Whether it is one of ours, `encrypt` finds out.
    if (ciphertextIn(plaintext)) return undefined
    const ciphertext = this.cipher.encryptNow(plaintext, recipe)
    return ciphertext && this.#toStorage(ciphertext)
  }

  async encrypt(plaintext: Plaintext, recipe: RowRecipe): Promise<Stored> {
    try {
      const ciphertext = await this.cipher.encrypt(plaintext, recipe)
      const inside = ciphertextIn(plaintext)
      if (!inside || !(await this.cipher.isOwn(inside, ciphertext, recipe)))
        return this.#toStorage(ciphertext)
      throw new InvalidValueError(
        'the value is a ciphertext already, under the KMS key of the column: to encrypt it once more would hide the value for good. Where does it come from? Raw results hold ciphertext: open it with encryption.decrypt(), or store it as it is with dataSource.query().',
      )
    } catch (error) {
      throw this.placed(error)
    }
  }

  /** What the column stores for a value: its ciphertext, or what `writes` says. */
  async store(plaintext: Plaintext, recipe: RowRecipe): Promise<Stored> {
    const { plaintextWrites } = this
    return plaintextWrites?.areOn === true
      ? plaintextWrites.stored(plaintext, this.opener)
      : this.encrypt(plaintext, recipe)
  }

  /** The value of a stored one; may ask KMS. */
  async decrypt(stored: unknown, recipe: RowRecipe, row?: NamedRow): Promise<unknown> {
    const raw = this.storedOf(stored)
    try {
      return this.scheme.type.deserialise(await this.opener.open(raw, recipe.scopes, undefined, row))
    } catch (error) {
      throw this.placed(error)
    }
  }

  /** A value of a row, as the driver delivered it. Throws `DriverValueError` if that is not what the column holds. */
  storedOf(value: unknown): Stored {
    return storedFromDriver(value instanceof String ? value.valueOf() : value, this.delivery, this.#place)
  }

  /** The same where there is one that may be a ciphertext. Hydration refuses what cannot be; a raw result keeps it. */
  storedIfDelivered(value: unknown): Stored | undefined {
    if (typeof value !== 'string' && (typeof value !== 'object' || value === null)) return undefined
    try {
      return this.storedOf(value)
    } catch (error) {
      if (error instanceof DriverValueError) return undefined
      throw error
    }
  }

  /** An error of this column. */
  error(
    Class: new (reason: string, details: ErrorDetails) => KmsEncryptionError,
    reason: string,
    cause?: unknown,
  ): KmsEncryptionError {
    return new Class(reason, { ...this.#place, ...(cause === undefined ? {} : { cause }) })
  }

  /** The same error with entity, property and, where a row is given, its primary key. */
  placed(error: unknown, row?: ObjectLiteral): KmsEncryptionError {
    if (!(error instanceof KmsEncryptionError)) throw error
    const primaryKey = row && this.keyOf(row)
    return this.#ofRow(error).at({ ...this.#place, ...(primaryKey ? { primaryKey } : {}) })
  }

  keyOf(entity: ObjectLiteral): ObjectLiteral | undefined {
    return this.metadata.entityMetadata.getEntityIdMap(entity)
  }

  [inspect.custom](): string {
    return `[encrypted ${this.name}]`
  }

  get #place(): { entity: string; property: string } {
    return { entity: this.metadata.entityMetadata.name, property: this.metadata.propertyPath }
  }

  /** Where the row is authenticated, it may be the wrong one. In direct mode KMS compares the row, as its context. */
  #ofRow(error: KmsEncryptionError): KmsEncryptionError {
    const isOfRow =
      this.recipes.dependsOn.length > 0 &&
      (error instanceof TamperedCiphertextError ||
        (error instanceof WrongContextError && this.recipes.mode === 'direct'))
    if (!isOfRow) return error
    const bound = this.recipes.dependsOn.map(({ property }) => property).join(', ')
    return this.error(
      WrongRowError,
      `the stored ciphertext is not of this row (${bound}): it was copied here from another row, or altered, or what it is bound to was changed around the library. Put back what was changed, or restore the row from a backup.`,
      error,
    )
  }

  #toStorage(ciphertext: Buffer): Stored {
    return this.scheme.options.storage === 'text' ? ciphertext.toString('base64') : ciphertext
  }

  #checkSize(plaintext: Plaintext): void {
    const { maxLength } = this.scheme.options
    const direct = this.recipes.mode === 'direct'
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
