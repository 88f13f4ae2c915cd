import { type DataSource, type DataSourceOptions, type EntityMetadata, type ObjectLiteral } from 'typeorm'
import { type Cipher, type Recipe } from '../cipher/cipher'
import { type IndexKeys } from '../cipher/blind-index/index-keys'
import { type EncryptionContext } from '../cipher/context'
import { type StoredKeys } from '../cipher/data-keys/stored-keys'
import { Scope } from '../cipher/scope'
import { DeclaredColumn } from '../column/declared-column'
import { type KeyId, type OnUndecryptable, type PreviousSettings, type WritesOption } from '../column/options'
import { rowPropertiesOf } from '../column/row-properties'
import { addSchemaIndexes } from '../column/schema-indexes'
import { type Scheme } from '../column/scheme'
import { dialectOf } from '../dialects'
import { InvalidOptionError, KeyIdMissingError } from '../errors'
import { BoundColumn } from './bound-column'
import { boundColumn, boundColumns } from './bound-columns'
import { boundTable } from './bound-table'
import { guardCachedResults } from './cached-results'
import { deliveryOf, storedType } from './column-type'
import { checkDeclarations, refuseBorrowed, refuseDuplicates } from './declarations'
import { EmptyingGuard } from './key-table/emptying'
import { keyTableEntity, KEY_TABLE_ENTITY } from './key-table/entity'
import { fixNames } from './key-table/fixed-names'
import { keepKeyTable } from './key-table/kept-table'
import { KeyTable, keyTables } from './key-table/key-table'
import { type KeyTableSettings } from './key-table/key-table-options'
import { guardQueryRunner } from './query-guard'
import { OpenedResults } from './read/opened-results'
import { RawQueries } from './read/raw-queries'
import { ResultOpener } from './read/result-opener'
import { ReplacedMethods } from './replaced-methods'
import { constantRecipes, type Recipes } from './recipe'
import { keyIdFor } from './row/key-id'
import { moves } from './row/moves'
import { RowColumns } from './row/row-columns'
import { RowRecipes, type RowSetting } from './row/row-recipes'
import { keepEncryptedColumns } from './guarded-synchronize'
import { handleLazyRejections } from './lazy-relations'
import { openReturnedRow } from './read/returned-row'
import { StatementGuard } from './statement-guard'
import { Statements } from './statement/statements'
import { KmsEncryptionSubscriber } from './subscriber'
import { type ColumnMetadata } from './typeorm-types'
import { bindIndexColumn, bindIndexes } from './search/bind-indexes'
import { Completeness } from './search/completeness'
import { refuseUndeclaredResults } from './undeclared-results'
import { searchRefusal } from './write/tokens'
import { PlaintextWrites } from './write/plaintext-writes'

/** What columns take over where they say nothing themselves. */
export interface ColumnDefaults {
  keyId: KeyId | undefined
  mode: Recipe['mode']
  context: EncryptionContext | undefined
  onUndecryptable: OnUndecryptable | undefined
  writes: WritesOption | undefined
  /** Of blind indexes; `undefined` where the options name no index key. */
  indexRoot: IndexKeys | undefined
  dataKeys: KeyTableSettings
}

/** The `createQueryRunner` of drivers that are changed: one that someone replaced since is changed as well. */
const ours = new WeakSet()

/**
 * Ties one DataSource to a cipher. It changes seven methods of this DataSource's driver, all of TypeORM's public
 * `Driver` interface: `connect` (before the metadata is built), `normalizeType` (called for each column while it is
 * built: there columns are bound), `afterConnect` (it is complete), `preparePersistentValue` (called for values to be
 * stored, and for nothing else), `createSchemaBuilder`, `createGeneratedMap` (called for rows that a statement
 * returns) and `createQueryRunner`; of the DataSource `createQueryRunner` and `createQueryBuilder`; and `load` of its
 * loader of lazy relations.
 *
 * Where no column is encrypted they are given back, but for `connect`: entities may come with the next `initialize()`.
 */
export class DataSourceBinding {
  readonly #dataSource: DataSource
  readonly #cipher: Cipher
  readonly #defaults: ColumnDefaults
  readonly #withoutBinding: () => void
  readonly #keyTable: KeyTable
  /** Where new values are sealed under stored data keys. */
  readonly #sealing: { readonly keys: StoredKeys; readonly emptying: EmptyingGuard } | undefined
  #keyEntity: ReturnType<typeof keyTableEntity> | undefined
  readonly #opened = new OpenedResults()
  readonly #raw = new RawQueries()
  readonly #methods = new ReplacedMethods()
  /** Of the loader of lazy relations, which is there only once the DataSource is constructed. */
  readonly #lazy = new ReplacedMethods()
  /** Columns that are declared as uuid: their metadata says what the database has instead. */
  readonly #uuids = new WeakSet<ColumnMetadata>()
  /** Columns that values are bound to. */
  #rows: RowColumns | undefined
  #results: ResultOpener | undefined
  #read: Statements | undefined
  #statements: StatementGuard | undefined
  #completeness = new Completeness((name) => name)
  /** The query result cache that was changed; it stays when the DataSource is initialised again. */
  #cache: DataSource['queryResultCache']

  /** @param withoutBinding takes from the DataSource's options what `withBinding` put there. */
  constructor(dataSource: DataSource, cipher: Cipher, defaults: ColumnDefaults, withoutBinding: () => void) {
    this.#dataSource = dataSource
    this.#defaults = defaults
    this.#withoutBinding = withoutBinding
    this.#keyTable = new KeyTable(dataSource, defaults.dataKeys)
    keyTables.set(dataSource, this.#keyTable)
    const { maxAge: renewAfter, lease } = defaults.dataKeys
    this.#cipher = cipher.withStore(this.#keyTable, { renewAfter, lease })
    const { storedKeys: keys } = this.#cipher
    const emptying = new EmptyingGuard(dataSource, this.#keyTable)
    this.#sealing = defaults.dataKeys.seals && keys ? { keys, emptying } : undefined
    new ReplacedMethods().replace(dataSource.driver, 'connect', (connect) => async () => {
      this.#change()
      refuseDuplicates(dataSource)
      addSchemaIndexes(dataSource.options.entities)
      this.#addKeyTable()
      await connect()
    })
    this.#change()
  }

  /** Others may have changed the entities since the DataSource was made, or will have to do with them as a list. */
  #addKeyTable(): void {
    const dataSource = this.#dataSource
    const { entities: given = [], type } = dataSource.options
    if (!this.#defaults.dataKeys.seals) return
    this.#keyEntity ??= keyTableEntity(dialectOf(type), this.#defaults.dataKeys)
    const entities: unknown[] = Array.isArray(given) ? given : Object.values(given)
    if (entities.includes(this.#keyEntity)) return
    Object.assign(dataSource, {
      options: { ...dataSource.options, entities: [...entities, this.#keyEntity] },
    })
  }

  #change(): void {
    if (ours.has(runnerOf(this.#dataSource.driver))) return
    this.#methods.giveBack()
    this.#changeDriver()
    this.#methods.replace(this.#dataSource, 'createQueryRunner', (createQueryRunner) => (mode) => {
      // The application may have replaced the driver.
      this.#change()
      return createQueryRunner(mode)
    })
    this.#raw.watch(this.#dataSource, this.#methods)
    this.#methods.replace(this.#dataSource, 'initialize', (initialize) => async () => {
      const dataSource = await initialize()
      try {
        await this.#checkRows()
      } catch (error) {
        await dataSource.destroy()
        throw error
      }
      return dataSource
    })
  }

  /** Asks the database about the columns that values are bound to, as far as their tables are there. */
  async #checkRows(): Promise<void> {
    const rows = this.#rows
    if (!rows || rows.areChecked) return
    const queryRunner = this.#dataSource.createQueryRunner()
    try {
      await rows.check(queryRunner)
    } finally {
      await queryRunner.release()
    }
  }

  #changeDriver(): void {
    const { driver } = this.#dataSource
    const methods = this.#methods
    methods.replace(driver, 'normalizeType', (normalizeType) => (column) => {
      if (column.type === 'uuid') this.#uuids.add(column as unknown as ColumnMetadata)
      bindIndexColumn(column as unknown as ColumnMetadata, this.#dataSource)
      this.#bind(column as unknown as ColumnMetadata)
      return normalizeType(column)
    })
    methods.replace(driver, 'afterConnect', (afterConnect) => async () => {
      this.#finish()
      await afterConnect()
    })
    methods.replace(driver, 'disconnect', (disconnect) => async () => {
      this.#cipher.storedKeys?.clear()
      await this.#keyTable.close()
      await disconnect()
    })
    methods.replace(driver, 'preparePersistentValue', (prepare) => (value: unknown, column) => {
      const bound = boundColumn(column)
      return bound ? bound.persist(value) : (prepare(value, column) as unknown)
    })
    methods.replace(driver, 'createSchemaBuilder', (createSchemaBuilder) => () => {
      const builder = createSchemaBuilder()
      const [build, log] = [builder.build.bind(builder), builder.log.bind(builder)]
      return Object.assign(builder, {
        build: async () => {
          await keepEncryptedColumns(this.#dataSource)
          await keepKeyTable(this.#dataSource)
          await build()
          await this.#checkRows()
        },
        log: async () => {
          await keepKeyTable(this.#dataSource)
          return log()
        },
      })
    })
    methods.replace(
      driver,
      'createGeneratedMap',
      (createGeneratedMap) =>
        (metadata, row: unknown, ...place) =>
          openReturnedRow(metadata, row, (others) => createGeneratedMap(metadata, others, ...place)),
    )
    methods.replace(
      driver,
      'createQueryRunner',
      (createQueryRunner) => (mode) =>
        guardQueryRunner(
          createQueryRunner(mode),
          () => this.#results,
          () => this.#statements,
          (sql) => this.#read?.read(sql),
          () => this.#rows,
          this.#sealing,
          () => this.#completeness,
        ),
    )
    ours.add(runnerOf(driver))
  }

  /** The metadata is built: binds the columns of views, which are not validated, and registers the subscriber. */
  #finish(): void {
    this.#finishKeyTable()
    const { entityMetadatas } = this.#dataSource
    for (const { columns } of entityMetadatas) for (const column of columns) this.#bind(column)
    checkDeclarations(this.#dataSource)
    const rows = new RowColumns(this.#dataSource, (column) => boundColumn(column) !== undefined, this.#uuids)
    for (const metadata of entityMetadatas) {
      bindIndexes(metadata, this.#dataSource, this.#defaults.indexRoot, this.#defaults.dataKeys.seals)
      refuseConflictPaths(metadata)
      refuseIndexes(metadata)
      for (const { recipes, metadata: column } of boundColumns(metadata)) {
        if (recipes instanceof RowRecipes) {
          recipes.resolve((property, option) => rows.of(column, property, option))
        }
      }
    }
    this.#rows = rows
    this.#lazy.giveBack()
    if (!entityMetadatas.some((metadata) => boundColumns(metadata).length > 0)) {
      this.#results = this.#statements = this.#read = undefined
      this.#methods.giveBack()
      this.#withoutBinding()
      return
    }
    handleLazyRejections(this.#dataSource, this.#lazy)
    const statements = (this.#read = new Statements(this.#dataSource))
    refuseUndeclaredResults(this.#dataSource, statements)
    this.#results = new ResultOpener(statements, this.#opened, this.#raw)
    const { driver, options } = this.#dataSource
    this.#statements = new StatementGuard(statements, {
      placeholder: (position) => dialectOf(options.type).placeholder(position),
      escape: (name) => driver.escape(name),
    })
    this.#completeness = new Completeness((name) => driver.escape(name))
    const { subscribers, queryResultCache } = this.#dataSource
    if (queryResultCache && queryResultCache !== this.#cache) {
      this.#cache = queryResultCache
      guardCachedResults(
        queryResultCache,
        () => this.#results,
        () => this.#statements,
      )
    }
    if (!subscribers.some((subscriber) => subscriber instanceof KmsEncryptionSubscriber)) {
      subscribers.push(new KmsEncryptionSubscriber())
    }
  }

  /** Where nothing is encrypted there is no key table. */
  #finishKeyTable(): void {
    const { entityMetadatas, entityMetadatasMap } = this.#dataSource
    const metadata = entityMetadatas.find(({ name }) => name === KEY_TABLE_ENTITY)
    if (!metadata || !this.#keyEntity) return
    if (entityMetadatas.some(({ columns }) => columns.some(isDeclared))) {
      fixNames(metadata, this.#keyTable.settings.table)
      return
    }
    entityMetadatas.splice(entityMetadatas.indexOf(metadata), 1)
    entityMetadatasMap.delete(metadata.target)
  }

  #bind(metadata: ColumnMetadata): void {
    const declared = DeclaredColumn.of(metadata.transformer)
    if (!declared) {
      refuseBorrowed(metadata)
      return
    }
    const { scheme } = declared
    const recipes = this.#recipes(metadata, scheme)
    const dialect = dialectOf(this.#dataSource.options.type)
    const { type, length } = storedType(dialect, recipes.mode, scheme.options)
    metadata.type = type
    if (length !== undefined) metadata.length = String(length)
    const delivery = deliveryOf(dialect, scheme.options)
    const bound = new BoundColumn(
      metadata,
      scheme,
      recipes,
      this.#cipher,
      this.#opened,
      scheme.options.onUndecryptable ?? this.#defaults.onUndecryptable,
      delivery,
      PlaintextWrites.of(scheme.options, this.#defaults.writes, placeOf(metadata), dialect, delivery),
    )
    metadata.transformer = bound
    watchValues(metadata, bound)
  }

  #recipes(metadata: ColumnMetadata, { options }: Scheme): Recipes {
    const place = placeOf(metadata)
    const keyId = options.keyId ?? this.#defaults.keyId
    if (keyId === undefined) {
      throw new KeyIdMissingError(
        "no KMS key is named. Pass kmsEncryption({ keyId: 'alias/my-app' }), or keyId to the column.",
        place,
      )
    }
    const mode = options.mode ?? this.#defaults.mode
    const usesStoredKey = mode === 'envelope' && this.#defaults.dataKeys.seals
    const tally = this.#cipher.tally(place.entity, place.property)
    const settings = [this.#setting(metadata, options), ...this.#previous(metadata, options)]
    if (settings.some(({ row, keyPer }) => row.length + keyPer.length > 0)) {
      return new RowRecipes({ mode, keyId, usesStoredKey }, settings, tally, place)
    }
    const [scope, ...previous] = settings.map(
      ({ context, binding }) => new Scope(context, binding, tally),
    ) as [Scope, ...Scope[]]
    return constantRecipes({ mode, keyId: keyIdFor(keyId, scope, place), scope, usesStoredKey }, previous)
  }

  /** What values are bound to now. */
  #setting({ entityMetadata, databaseName }: ColumnMetadata, options: Scheme['options']): RowSetting {
    const { boundTo = {}, keyPer } = options
    const table = boundTo.table ?? boundTable(entityMetadata, this.#dataSource.options.type)
    return {
      context: options.context ?? this.#defaults.context ?? { table },
      binding: { column: boundTo.column ?? databaseName },
      row: rowPropertiesOf(boundTo.row),
      keyPer: rowPropertiesOf(keyPer),
    }
  }

  /** What the values of earlier settings are bound to. A table that was renamed changes the default context. */
  #previous(
    { entityMetadata, databaseName }: ColumnMetadata,
    { boundTo: now, context: given, keyPer, previous = [] }: Scheme['options'],
  ): RowSetting[] {
    const own = now?.table ?? boundTable(entityMetadata, this.#dataSource.options.type)
    return previous.map(({ context, boundTo = {}, keyPer: keyedThen }: PreviousSettings) => {
      const table = boundTo.table ?? own
      const same = boundTo.table === undefined ? (given ?? this.#defaults.context) : undefined
      return {
        context: context ?? same ?? { table },
        binding: { column: boundTo.column ?? now?.column ?? databaseName },
        row: rowPropertiesOf(boundTo.row ?? now?.row),
        keyPer: rowPropertiesOf(keyedThen ?? keyPer),
      }
    })
  }
}

function placeOf({ entityMetadata, propertyPath }: ColumnMetadata): { entity: string; property: string } {
  return { entity: entityMetadata.name, property: propertyPath }
}

function isDeclared({ transformer }: ColumnMetadata): boolean {
  return transformer instanceof BoundColumn || DeclaredColumn.of(transformer) !== undefined
}

/** The method as an object, never called. */
function runnerOf(driver: DataSource['driver']): object {
  return Reflect.get(driver, 'createQueryRunner')
}

/**
 * TypeORM takes a function for raw SQL and asks no driver or transformer about it. A transformed value is that of a
 * row, which `save` compares with the entity's. Where the entity moves to what its values are not bound to, they count
 * as changed, so that they are encrypted anew in the same statement.
 */
function watchValues(metadata: ColumnMetadata, bound: BoundColumn): void {
  const getEntityValue = metadata.getEntityValue.bind(metadata)
  const isBound = bound.recipes.constant === undefined
  let last: ObjectLiteral | undefined
  metadata.getEntityValue = (entity, transform) => {
    if (transform) {
      const isMoved = isBound && last !== undefined && moves(bound, last, entity)
      return bound.readRow(() => getEntityValue(entity, true) as unknown, isMoved)
    }
    const value: unknown = getEntityValue(entity)
    if (typeof value === 'function') bound.serialise(value)
    else bound.compareNext(value)
    if (isBound) {
      last = entity
      queueMicrotask(() => {
        if (last === entity) last = undefined
      })
    }
    return value
  }
  const createValueMap = metadata.createValueMap.bind(metadata)
  metadata.createValueMap = (value: unknown, ...rest) => createValueMap(bound.forStatement(value), ...rest)
}

/** `upsert` by an encrypted column would never find the row; MySQL does not even look at the conflict paths. */
function refuseConflictPaths(metadata: EntityMetadata): void {
  if (boundColumns(metadata).length === 0) return
  const mapPropertyPathsToColumns = metadata.mapPropertyPathsToColumns.bind(metadata)
  metadata.mapPropertyPathsToColumns = (paths) => {
    const columns = mapPropertyPathsToColumns(paths)
    return columns.map((column) => conflictColumn(column))
  }
}

/** An encrypted column whose blind index is unique is a conflict path by that. */
function conflictColumn(column: ColumnMetadata): ColumnMetadata {
  const encrypted = boundColumn(column)
  if (!encrypted) return column
  const index = encrypted.searchedBy
  if (index?.declared.isUnique) return index.metadata
  throw searchRefusal(encrypted)
}

/** An index or unique constraint over ciphertexts finds and enforces nothing: each ciphertext is different. */
function refuseIndexes({ name: entity, indices, uniques }: EntityMetadata): void {
  for (const { columns } of [...indices, ...uniques]) {
    const encrypted = columns.find((column) => boundColumn(column))
    if (!encrypted) continue
    throw new InvalidOptionError(
      'an index or unique constraint over an encrypted column enforces nothing: equal values have different ciphertexts. Keep a keyed hash (HMAC) of the value in a column of its own and index that.',
      { entity, property: encrypted.propertyPath },
    )
  }
}

/**
 * Options under which a new DataSource is handed to `bind` before it connects. TypeORM has one documented option
 * that is called with the DataSource when it is constructed: the provider of the query result cache. What the
 * application said about the cache itself stays in force.
 */
export function withBinding<Options extends DataSourceOptions>(
  options: Options,
  bind: (dataSource: DataSource, withoutBinding: () => void) => void,
): Options {
  const { cache } = options
  const provider = (dataSource: DataSource): unknown => {
    bind(dataSource, () => {
      // The options that configure() gave may make other DataSources: they stay.
      const { cache: ours, ...others } = dataSource.options
      if (typeof ours !== 'object' || ours.provider !== provider) return
      Object.assign(dataSource, { options: cache === undefined ? others : { ...others, cache } })
    })
    if (typeof cache === 'object' && cache.provider) return cache.provider(dataSource)
    return cache ? builtInCache(dataSource, cache) : undefined
  }
  return { ...options, cache: { ...(typeof cache === 'object' ? cache : {}), provider } }
}

/** The cache that TypeORM makes for these options; it makes them where its options are set. */
function builtInCache(dataSource: DataSource, cache: NonNullable<DataSourceOptions['cache']>): unknown {
  const configured = dataSource.options.cache
  dataSource.setOptions({ cache })
  Object.assign(dataSource.options, { cache: configured })
  return dataSource.queryResultCache
}
