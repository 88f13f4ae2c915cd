import { DataSource, type DataSourceOptions, type QueryRunner } from 'typeorm'
import { type Dialect } from '../../dialects'
import { type OnlyConnection, type Sql } from '../../dialects/only-connection'
import { unguardedQuery } from '../query/unguarded-query'

/** How the key table is read and written: past the statements and transactions of the application. */
export interface KeyTableAccess {
  /** True while what is written is part of a transaction of the application. */
  readonly isInTransaction: boolean
  /** Gets ready for the first statement. */
  open(): void
  /** Rows of a SELECT. Each statement stands for itself, and is committed when it was answered. */
  query(sql: string, parameters: unknown[]): Promise<Record<string, unknown>[]>
  /** Adds a row, unless the SELECT finds one: with that it may fail where others do the same. */
  insert(insert: Sql, unless?: Sql): Promise<void>
  hasTable(path: string): Promise<boolean>
  close(): Promise<void>
}

/** Milliseconds after which the connection is closed if it is not used. */
const IDLE = 10_000
/** Milliseconds that a statement waits for a lock: who holds it may be waiting for the data key. */
const LOCK_WAIT = 5_000

/** For DataSources with a pool of connections, and those with one. */
export function keyTableAccess(dataSource: DataSource, dialect: Dialect): KeyTableAccess {
  const { onlyConnection } = dialect
  return onlyConnection
    ? new SharedConnection(dataSource, onlyConnection)
    : new OwnConnection(dataSource, dialect)
}

/**
 * A connection of its own to the primary, opened when it is needed. So a data key is committed before a value is sealed
 * under it, whatever becomes of the transaction that the value is in; no snapshot hides a key that another process made;
 * and nobody waits for a pool that is exhausted by those who wait for the key.
 */
class OwnConnection implements KeyTableAccess {
  readonly isInTransaction = false
  readonly #dataSource: DataSource
  readonly #dialect: Dialect
  #opened: Promise<{ dataSource: DataSource; queryRunner: QueryRunner }> | undefined
  #idle: NodeJS.Timeout | undefined
  /** Statements are sent one after the other. */
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(dataSource: DataSource, dialect: Dialect) {
    this.#dataSource = dataSource
    this.#dialect = dialect
  }

  open(): void {
    // Should it fail, who needs it tries again, and is told.
    this.#run(() => Promise.resolve()).catch(() => undefined)
  }

  query(sql: string, parameters: unknown[]): Promise<Record<string, unknown>[]> {
    return this.#run((queryRunner) => rowsOf(queryRunner.query(sql, parameters)))
  }

  insert(insert: Sql, unless?: Sql): Promise<void> {
    return this.#run(async (queryRunner) => {
      if (unless) await queryRunner.startTransaction('SERIALIZABLE')
      const there = unless ? await rowsOf(queryRunner.query(...unless)) : []
      if (there.length === 0) await queryRunner.query(...insert)
      if (unless) await queryRunner.commitTransaction()
    })
  }

  hasTable(path: string): Promise<boolean> {
    return this.#run((queryRunner) => queryRunner.hasTable(path))
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle)
    const opened = this.#opened
    this.#opened = undefined
    const { dataSource, queryRunner } = (await opened?.catch(() => undefined)) ?? {}
    await queryRunner?.release().catch(() => undefined)
    await dataSource?.destroy().catch(() => undefined)
  }

  async #run<T>(work: (queryRunner: QueryRunner) => Promise<T>): Promise<T> {
    clearTimeout(this.#idle)
    this.#waiting++
    const turn = this.#last.then(async () => {
      const { queryRunner } = await this.#open()
      return work(queryRunner)
    })
    this.#last = turn.catch(() => undefined)
    try {
      return await turn
    } catch (error) {
      // It may be broken. The next statement gets another one.
      await this.close()
      throw error
    } finally {
      this.#waiting--
      if (this.#waiting === 0) this.#idle = setTimeout(() => void this.close(), IDLE).unref()
    }
  }

  #open(): Promise<{ dataSource: DataSource; queryRunner: QueryRunner }> {
    this.#opened ??= this.#connect().catch((error: unknown) => {
      this.#opened = undefined
      throw error
    })
    return this.#opened
  }

  async #connect(): Promise<{ dataSource: DataSource; queryRunner: QueryRunner }> {
    const dataSource = new DataSource(ownOptions(this.#dataSource.options))
    await dataSource.initialize()
    const queryRunner = dataSource.createQueryRunner('master')
    try {
      await this.#dialect.limitLockWait(queryRunner, LOCK_WAIT)
      return { dataSource, queryRunner }
    } catch (error) {
      await dataSource.destroy()
      throw error
    }
  }
}

/** What of the application's options its own connection does without. */
const NOT_TAKEN = ['entities', 'subscribers', 'migrations', 'cache', 'replication']
/** Sizes of pools, in the words of the drivers. */
const POOL_SIZES = ['max', 'min', 'connectionLimit', 'maxIdle']

/** The same server, as the primary, with one connection and nothing of the application's. */
function ownOptions(options: DataSourceOptions): DataSourceOptions {
  const { replication, extra } = options as { replication?: { master?: object }; extra?: object }
  return {
    ...without(options, NOT_TAKEN),
    ...replication?.master,
    ...(extra && { extra: without(extra, POOL_SIZES) }),
    poolSize: 1,
    synchronize: false,
    dropSchema: false,
    migrationsRun: false,
  } as DataSourceOptions
}

function without(options: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name)))
}

/** The only connection that the DataSource has, which runs each statement as it comes. */
class SharedConnection implements KeyTableAccess {
  readonly #dataSource: DataSource
  readonly #connection: OnlyConnection

  constructor(dataSource: DataSource, connection: OnlyConnection) {
    this.#dataSource = dataSource
    this.#connection = connection
  }

  get isInTransaction(): boolean {
    return this.#connection.hasOpenTransaction(this.#dataSource.driver)
  }

  open(): void {
    // It is open.
  }

  async query(sql: string, parameters: unknown[]): Promise<Record<string, unknown>[]> {
    const queryRunner = this.#dataSource.createQueryRunner()
    try {
      // A statement of the application may wait for the key, and keep those that come after it waiting.
      return await rowsOf(unguardedQuery(queryRunner)(sql, parameters))
    } finally {
      await this.#connection.release(queryRunner)
    }
  }

  async insert(insert: Sql, unless?: Sql): Promise<void> {
    const { driver } = this.#dataSource
    if (unless) await this.#connection.insertUnlessThere(driver, unless, insert)
    else await this.query(...insert)
    await this.#connection.refuseUnknownTransaction?.(driver)
  }

  async hasTable(path: string): Promise<boolean> {
    return (await this.query(this.#connection.tableByName, [path.toLowerCase()])).length > 0
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

async function rowsOf(answer: Promise<unknown>): Promise<Record<string, unknown>[]> {
  const rows = await answer
  return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : []
}
