import {
  type DataSource,
  type DataSourceOptions,
  type EntitySchema,
  type EntityTarget,
  type ObjectLiteral,
} from 'typeorm'
import { type Cipher } from './cipher/cipher'
import { type Plaintext } from './column/types'
import { dialectOf } from './dialects'
import { InvalidOptionError, type KmsEncryptionError } from './errors'
import { type BoundColumn } from './orm/bound-column'
import { boundColumns } from './orm/bound-columns'
import { type ColumnDefaults } from './orm/column-binder'
import { DataSourceBinding } from './orm/data-source-binding'
import { type RowRecipe } from './orm/recipe'
import { givenName, givenRow } from './orm/row/given-row'
import { type BlindIndex } from './orm/search/blind-index'
import { type ColumnMetadata } from './orm/typeorm-types'
import { withBinding } from './orm/with-binding'

export { cancelForgetting, forget, forgetDue } from './migration/data-keys/forget'
export { openUnread } from './orm/read/open-unread'
export { KmsEncryptionSubscriber } from './orm/subscriber'

/** An entity whose properties the compiler knows. */
export type EntityClass<Entity> = (abstract new (...args: never[]) => Entity) | EntitySchema<Entity>

/**
 * What `encrypt()` and `decrypt()` take behind the value: the row that it belongs to, where the column is bound to it,
 * and the DataSource, where several have the entity.
 */
export type RowAndDataSource =
  | []
  | [row: object]
  | [dataSource: DataSource | undefined]
  | [row: object, dataSource: DataSource | undefined]

/** An entity by its name in the DataSource. */
export type EntityName = string | { type: ObjectLiteral; name: string }

type Target = EntityTarget<ObjectLiteral>

/** The DataSources of one `KmsEncryption`: binds their columns, and encrypts and decrypts as these do. */
export class DataSources {
  readonly #configured = new Set<WeakRef<DataSource>>()

  constructor(
    private readonly cipher: Cipher,
    private readonly defaults: ColumnDefaults,
  ) {}

  /** Throws `UnsupportedDatabaseError`. */
  configure<Options extends DataSourceOptions>(options: Options): Options {
    const { namespace } = dialectOf(options)
    if (this.defaults.dataKeys.schema !== undefined && namespace === undefined)
      throw new InvalidOptionError(`dataKeys.schema: ${options.type} has no schemas. Leave it out.`)
    return withBinding(options, (dataSource, withoutBinding) => {
      new DataSourceBinding(dataSource, this.cipher, this.defaults, withoutBinding)
      this.#configured.add(new WeakRef(dataSource))
    })
  }

  /** What to store in the column. */
  async encrypt(
    entity: Target,
    property: string,
    value: unknown,
    where: RowAndDataSource,
  ): Promise<Buffer | string> {
    const { row, dataSource } = whereOf(where)
    const column = this.#column(entity, property, dataSource)
    if (column.indexes.length + column.sharedIndexes.length > 0) throw needsIndex(column)
    const recipe = row ? column.recipes.of(givenRow(row, column)) : column.recipe
    return column.store(column.serialise(value), recipe)
  }

  /** What to store in the columns and in their blind indexes, by their names in the database. */
  async encryptAll(
    entity: Target,
    values: Readonly<Record<string, unknown>>,
    where: RowAndDataSource,
  ): Promise<Record<string, Buffer | string | null>> {
    const { row, dataSource } = whereOf(where)
    const stored: Record<string, Buffer | string | null> = {}
    const serialised = new Map<ColumnMetadata, Plaintext | null>()
    const indexes = new Map<BlindIndex, RowRecipe>()
    for (const [property, value] of Object.entries(values)) {
      if (value === undefined) continue
      const column = this.#column(entity, property, dataSource)
      const recipe = row ? column.recipes.of(givenRow(row, column)) : column.recipe
      const plaintext = value === null ? null : column.serialise(value)
      serialised.set(column.metadata, plaintext)
      stored[column.metadata.databaseName] = plaintext === null ? null : await column.store(plaintext, recipe)
      for (const index of [...column.indexes, ...column.sharedIndexes]) indexes.set(index, recipe)
    }
    for (const [index, recipe] of indexes) {
      const plaintexts = index.members.map(({ metadata }) => serialised.get(metadata))
      const keyed = index.under(recipe.scope.context)
      await keyed.prepare()
      const all = plaintexts.filter((each) => each !== null && each !== undefined)
      if (plaintexts.includes(undefined) && !plaintexts.includes(null)) throw needsAll(index)
      stored[index.metadata.databaseName] =
        all.length < plaintexts.length ? null : keyed.valueOf(index.joined(all))
    }
    return stored
  }

  /** What the column's blind index of this name has for the value. */
  async indexOf(
    entity: Target,
    property: string,
    value: unknown,
    name: string,
    where: RowAndDataSource,
  ): Promise<Buffer | string> {
    const { row, dataSource } = whereOf(where)
    const column = this.#column(entity, property, dataSource)
    const index = column.indexes.find(({ declared }) => declared.name === name)
    if (!index) {
      throw column.error(InvalidOptionError, `the column has no blind index ${JSON.stringify(name)}`)
    }
    const keyed = index.of(row ? givenRow(row, column) : () => undefined)
    await keyed.prepare()
    return keyed.indexOf(value)
  }

  /** What a raw query returned for the column, as plaintext. */
  async decrypt(
    entity: Target,
    property: string,
    stored: unknown,
    where: RowAndDataSource,
  ): Promise<unknown> {
    const { row, dataSource } = whereOf(where)
    const column = this.#column(entity, property, dataSource)
    if (!row) return column.decrypt(stored, column.recipe)
    return column.decrypt(stored, column.recipeOfStored(givenRow(row, column)), givenName(row, column))
  }

  /** The wanted one, or the only one. Throws `InvalidOptionError` rather than guess. */
  only(wanted: DataSource | undefined): DataSource {
    const [first, ...others] = this.#initialised().filter((each) => !wanted || each === wanted)
    if (first && others.length === 0) return first
    throw new InvalidOptionError(
      first
        ? `this KmsEncryption has ${others.length + 1} DataSources. Name the one that is meant as the last argument.`
        : 'this DataSource is not initialised, or not one of this KmsEncryption',
    )
  }

  #column(entity: Target, property: string, wanted: DataSource | undefined): BoundColumn {
    const place = { entity: typeof entity === 'function' ? entity.name : 'the entity', property }
    const having = this.#initialised().filter((dataSource) => dataSource.hasMetadata(entity))
    const [dataSource, ...others] = wanted ? having.filter((each) => each === wanted) : having
    if (!dataSource) {
      throw new InvalidOptionError(
        'no initialised DataSource of this KmsEncryption has this entity. Call configure() with its options and initialize() first.',
        place,
      )
    }
    if (others.length > 0) {
      throw new InvalidOptionError(
        `${having.length} DataSources of this KmsEncryption have this entity, and may bind its values differently. Name the one that is meant as the last argument.`,
        place,
      )
    }
    const metadata = dataSource.getMetadata(entity)
    const column = boundColumns(metadata).find((bound) => bound.metadata.propertyPath === property)
    if (column) return column
    throw new InvalidOptionError('this property is not an encrypted column', {
      entity: metadata.name,
      property,
    })
  }

  #initialised(): DataSource[] {
    const initialised: DataSource[] = []
    for (const reference of this.#configured) {
      const dataSource = reference.deref()
      if (!dataSource) this.#configured.delete(reference)
      else if (dataSource.isInitialized) initialised.push(dataSource)
    }
    return initialised
  }
}

/** The value alone would leave the index of the value before. */
function needsIndex(column: BoundColumn): KmsEncryptionError {
  return column.error(
    InvalidOptionError,
    'the column has a blind index, which is written with the value: use encryption.encryptAll(), and store both.',
  )
}

function needsAll({ column, members, metadata }: BlindIndex): KmsEncryptionError {
  const names = members.map((member) => member.metadata.propertyName).join(', ')
  return column.error(
    InvalidOptionError,
    `${metadata.databaseName} is an index over ${names}: pass all of them to encryption.encryptAll(), and store what it gives.`,
  )
}

function whereOf(where: RowAndDataSource): { row?: object; dataSource?: DataSource } {
  const [first, second] = where
  const dataSource = second ?? (first && isDataSource(first) ? first : undefined)
  return { ...(first && first !== dataSource ? { row: first } : {}), ...(dataSource ? { dataSource } : {}) }
}

function isDataSource(value: object): value is DataSource {
  return 'entityMetadatas' in value && 'createQueryRunner' in value
}
