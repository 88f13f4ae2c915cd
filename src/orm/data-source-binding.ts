import { type DataSource } from 'typeorm'
import { type Cipher } from '../cipher/cipher'
import { addSchemaIndexes } from '../column/schema-indexes'
import { dialectOf } from '../dialects'
import { boundColumn, boundColumns } from './bound-columns'
import { guardCachedResults } from './cached-results'
import { ColumnBinder, type ColumnDefaults } from './column-binder'
import { checkDeclarations, refuseDuplicates } from './declarations'
import { refuseDeclaredSql } from './declared-sql'
import { keepEncryptedColumns } from './guarded-synchronize'
import { hideInErrors } from './hidden-in-errors'
import { EmptyingGuard } from './key-table/emptying'
import { keepKeyTable } from './key-table/kept-table'
import { KeyTable, keyTables } from './key-table/key-table'
import { RegisteredEntity } from './key-table/registered-entity'
import { handleLazyRejections } from './lazy-relations'
import { type StoredSealing, type Workings } from './query/door'
import { guardQueryRunner } from './query/query-guard'
import { bindMirrors, followUpdates } from './mirror'
import { watchIds } from './read/compared-rows'
import { openBeforeSaving } from './read/open-unread'
import { OpenedResults } from './read/opened-results'
import { RawQueries } from './read/raw-queries'
import { ResultOpener } from './read/result-opener'
import { redactColumns } from './redacted-columns'
import { openReturnedRow } from './read/returned-row'
import { ReplacedMethods } from './replaced-methods'
import { withReturnedKeys } from './row/returned-keys'
import { RowColumns } from './row/row-columns'
import { RowRecipes } from './row/row-recipes'
import { bindIndexColumn, bindIndexes } from './search/bind-indexes'
import { Completeness } from './search/completeness'
import { keepGivenValues } from './search/given-values'
import { StatementGuard } from './statement-guard'
import { Statements } from './statement/statements'
import { KmsEncryptionSubscriber } from './subscriber'
import { type ColumnMetadata } from './typeorm-types'
import { oneWithoutSearched, hideSearched } from './search/not-found'
import { refuseUndeclaredResults } from './undeclared-results'
import { refuseConflictPaths, refuseIndexes } from './unique-refusals'

/** The `createQueryRunner` of drivers that are changed: one that someone replaced since is changed as well. */
const ours = new WeakSet()

/**
 * Ties one DataSource to a cipher. It changes some methods of this DataSource's driver, all of TypeORM's public
 * `Driver` interface: `connect` (before the metadata is built), `normalizeType` (called for each column while it is
 * built: there columns are bound), `afterConnect` (it is complete), `preparePersistentValue` (called for values to be
 * stored, and for nothing else), `createSchemaBuilder`, `createGeneratedMap` (called for rows that a statement
 * returns) and `createQueryRunner`, and on SQLite `escapeQueryWithParameters`; of the DataSource `createQueryRunner`, `createQueryBuilder` and
 * `createEntityManager`; of its logger `logQueryError`; of its manager `findOneOrFail` and `findOneByOrFail`; and `load` of its loader of lazy
 * relations.
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
  readonly #sealing: StoredSealing | undefined
  readonly #keyEntity: RegisteredEntity
  readonly #columns: ColumnBinder
  readonly #opened = new OpenedResults()
  readonly #raw = new RawQueries()
  readonly #methods = new ReplacedMethods()
  /** Of the loader of lazy relations, which is there only once the DataSource is constructed. */
  readonly #lazy = new ReplacedMethods()
  /** Of the driver, by the names of columns. */
  readonly #named = new ReplacedMethods()
  /** Columns that are declared as uuid: their metadata says what the database has instead. */
  readonly #uuids = new WeakSet<ColumnMetadata>()
  /** Of the logger. */
  readonly #log = new ReplacedMethods()
  #logger: DataSource['logger'] | undefined
  #workings: Workings | undefined
  /** Of its database. */
  #mustReturnKeys = false
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
    this.#keyEntity = new RegisteredEntity(dataSource, defaults.dataKeys)
    this.#columns = new ColumnBinder(dataSource, this.#cipher, defaults, this.#opened)
    new ReplacedMethods().replace(dataSource.driver, 'connect', (connect) => async () => {
      this.#change()
      refuseDuplicates(dataSource)
      addSchemaIndexes(dataSource.options.entities)
      if (defaults.dataKeys.seals) this.#keyEntity.add()
      await connect()
    })
    this.#change()
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
    this.#raw.watch(
      this.#dataSource,
      this.#methods,
      (subscriber) => subscriber instanceof KmsEncryptionSubscriber,
      oneWithoutSearched(() => this.#workings?.guard),
    )
    hideSearched(this.#dataSource, this.#methods)
    for (const migrate of ['runMigrations', 'undoLastMigration'] as const) {
      this.#methods.replace(this.#dataSource, migrate, (original) => async (options) => {
        try {
          return await (original as (given: typeof options) => Promise<never>)(options)
        } finally {
          // Statements check them, as soon as there are any.
          this.#workings?.rows.forget()
        }
      })
    }
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
    const rows = this.#workings?.rows
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
      this.#columns.bind(column as unknown as ColumnMetadata)
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
          this.#workings?.rows.forget()
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
        (metadata, row: unknown, ...place) => {
          const map = openReturnedRow(metadata, row, (others) =>
            createGeneratedMap(metadata, others, ...place),
          )
          return this.#mustReturnKeys ? withReturnedKeys(metadata, row, map) : map
        },
    )
    methods.replace(driver, 'createQueryRunner', (createQueryRunner) => (mode) => {
      this.#changeLogger()
      return guardQueryRunner(createQueryRunner(mode), () => this.#workings, this.#sealing)
    })
    ours.add(runnerOf(driver))
  }

  /** The application may have given it another one. */
  #changeLogger(): void {
    const logger = this.#workings && this.#dataSource.logger
    if (logger === this.#logger) return
    this.#log.giveBack()
    this.#logger = logger
    if (logger) hideInErrors(this.#dataSource, this.#log)
  }

  /** The metadata is built: binds the columns of views, which are not validated, and registers the subscriber. */
  #finish(): void {
    this.#keyEntity.finish()
    const { entityMetadatas } = this.#dataSource
    for (const { columns } of entityMetadatas) for (const column of columns) this.#columns.bind(column)
    checkDeclarations(this.#dataSource)
    const rows = this.#bindToRows()
    this.#lazy.giveBack()
    this.#named.giveBack()
    if (!entityMetadatas.some((metadata) => boundColumns(metadata).length > 0)) {
      this.#workings = undefined
      this.#methods.giveBack()
      this.#withoutBinding()
      return
    }
    handleLazyRejections(this.#dataSource, this.#lazy)
    keepGivenValues(this.#dataSource, this.#named)
    this.#workings = this.#work(rows)
    const { subscribers, queryResultCache } = this.#dataSource
    if (queryResultCache && queryResultCache !== this.#cache) {
      this.#cache = queryResultCache
      guardCachedResults(
        queryResultCache,
        () => this.#workings?.results,
        () => this.#workings?.guard,
      )
    }
    if (!subscribers.some((subscriber) => subscriber instanceof KmsEncryptionSubscriber)) {
      subscribers.push(new KmsEncryptionSubscriber())
    }
  }

  /** Finds what the columns need of the others of their table: blind indexes, and what values are bound to. */
  #bindToRows(): RowColumns {
    const { indexRoot, dataKeys } = this.#defaults
    const rows = new RowColumns(this.#dataSource, (column) => boundColumn(column) !== undefined, this.#uuids)
    let areMirrored = false
    for (const metadata of this.#dataSource.entityMetadatas) {
      bindIndexes(metadata, this.#dataSource, indexRoot, dataKeys.seals)
      refuseConflictPaths(metadata)
      if (boundColumns(metadata).length > 0) watchIds(metadata)
      refuseIndexes(metadata)
      redactColumns(metadata, this.#defaults.redact)
      areMirrored = bindMirrors(metadata) || areMirrored
      for (const { recipes, metadata: column } of boundColumns(metadata)) {
        if (recipes instanceof RowRecipes) {
          recipes.resolve(
            (property, option) => rows.of(column, property, option),
            (queries) => {
              rows.forget(metadata.tablePath)
              return rows.check(queries)
            },
          )
        }
      }
    }
    if (
      this.#dataSource.entityMetadatas.some((each) => boundColumns(each).some((column) => column.opensOnRead))
    )
      openBeforeSaving(this.#dataSource, this.#methods)
    if (areMirrored) followUpdates(this.#dataSource, this.#methods)
    return rows
  }

  #work(rows: RowColumns): Workings {
    const { driver, options } = this.#dataSource
    const statements = new Statements(this.#dataSource)
    refuseUndeclaredResults(this.#dataSource, statements)
    refuseDeclaredSql(this.#dataSource, statements)
    const escape = (name: string): string => driver.escape(name)
    const dialect = dialectOf(options)
    this.#mustReturnKeys = dialect.mustReturnKeys
    return {
      statements,
      rows,
      results: new ResultOpener(statements, this.#opened, this.#raw),
      guard: new StatementGuard(statements, {
        placeholder: (position) => dialect.placeholder(position),
        anyValue: (column) => dialect.anyValue(column),
        givenValue: (type, parameter) => dialect.givenValue?.(type, parameter) ?? parameter,
        escape,
      }),
      completeness: new Completeness(escape),
      dialect,
    }
  }
}

/** The method as an object, never called. */
function runnerOf(driver: DataSource['driver']): object {
  return Reflect.get(driver, 'createQueryRunner')
}
