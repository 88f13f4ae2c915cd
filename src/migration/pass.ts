import { setTimeout as sleep } from 'node:timers/promises'
import { type QueryRunner } from 'typeorm'
import { InterruptedError, KmsEncryptionError } from '../errors'
import { type BoundColumn } from '../orm/bound-column'
import { BatchSize } from './batch-size'
import { type Conversion } from './conversion'
import { checkedOptions, type MigrationOptions, type MigrationResult } from './options'
import { type ColumnLayout, type Database, databaseOf, readLayout } from './rows/column-layout'
import { type Change, type ColumnRow, type ColumnRows, primaryKeyOf } from './rows/column-rows'
import { explained, isDeadlock, isRefusedValue, limitLockWait } from './rows/locks'
import { openRows } from './rows/open-rows'
import { dataSourceOf, type Executor, isQueryRunner } from './target'

/** Values converted at once within a batch: in direct mode each is a call to KMS. */
const CONVERSIONS_AT_ONCE = 32
/** How often a row that changed while it was converted is tried again. */
const MAX_ATTEMPTS = 8

/**
 * Takes the rows of one column through a conversion, in the order of the primary key. Rows are read in batches
 * (keyset pagination), converted in memory, and written where they still are what was read. It keeps no record of
 * its own: what is done is recognised by its bytes, so it can be ended at any moment and run again.
 */
export class Pass {
  readonly #column: BoundColumn
  readonly #conversion: Conversion
  readonly #options
  #ownsTransactions = true
  readonly #start = performance.now()
  readonly #result: Omit<MigrationResult, 'elapsed'>

  constructor(column: BoundColumn, conversion: Conversion, options: MigrationOptions) {
    this.#column = column
    this.#conversion = conversion
    this.#options = checkedOptions(options)
    const { entityMetadata, propertyPath } = column.metadata
    this.#result = {
      entity: entityMetadata.name,
      property: propertyPath,
      total: 0,
      rows: 0,
      changed: 0,
      contended: 0,
    }
  }

  /** Throws what KMS, the database or a value refused, saying how far it got. */
  async run(executor: Executor): Promise<MigrationResult> {
    const database = databaseOf(dataSourceOf(executor).options)
    const runners = this.#runners(executor, database)
    this.#ownsTransactions = !isQueryRunner(executor)
    const restore: (() => Promise<void>)[] = []
    try {
      for (const runner of runners) {
        restore.push(await limitLockWait(runner, database, this.#options.lockTimeout))
      }
      await this.#through(runners)
      return this.#progress()
    } catch (error) {
      throw this.#toResume(explained(error, this.#column), executor)
    } finally {
      for (const undo of restore) await undo()
      if (!isQueryRunner(executor)) await Promise.all(runners.map((runner) => runner.release()))
    }
  }

  /** One connection reads and, with a DataSource, others write meanwhile. SQLite has one connection in all. */
  #runners(executor: Executor, database: Database): [QueryRunner, ...QueryRunner[]] {
    if (isQueryRunner(executor)) return [executor]
    const writers = database === 'sqlite' ? 0 : this.#options.concurrency
    const dataSource = dataSourceOf(executor)
    const others = Array.from({ length: writers }, () => dataSource.createQueryRunner('master'))
    return [dataSource.createQueryRunner('master'), ...others]
  }

  async #through([reader, ...writers]: [QueryRunner, ...QueryRunner[]]): Promise<void> {
    const layout = await readLayout(reader, this.#column)
    const rows = await openRows(reader, layout)
    await this.#conversion.begin(layout, rows)
    this.#result.total = await rows.count(this.#options.shard)
    const lanes = writers.length === 0 ? [rows] : await Promise.all(writers.map((w) => openRows(w, layout)))
    const underWay = new Map<ColumnRows, Promise<void>>(lanes.map((lane) => [lane, Promise.resolve()]))
    try {
      for await (const batch of this.#batches(rows)) {
        const lane = await Promise.race(Array.from(underWay, ([free, work]) => work.then(() => free)))
        const work = this.#process(batch, lane)
        // Where there is one connection in all, the next page waits for this batch.
        if (lane === rows) await work
        work.catch(() => undefined)
        underWay.set(lane, work)
      }
      await Promise.all(underWay.values())
    } finally {
      await Promise.allSettled(underWay.values())
    }
  }

  async *#batches(rows: ColumnRows): AsyncGenerator<ColumnRow[]> {
    const { batchSize, maxRate = batchSize } = this.#options
    const size = new BatchSize(Math.min(batchSize, maxRate))
    let after: readonly unknown[] | undefined
    for (;;) {
      this.#checkSignal()
      const batch = await rows.page({ after, limit: size.next, shard: this.#options.shard })
      if (batch.length === 0) return
      after = batch.at(-1)!.key
      size.learn(batch)
      yield batch
      await this.#keepRate()
    }
  }

  async #process(batch: readonly ColumnRow[], lane: ColumnRows): Promise<void> {
    let rows = batch
    for (let attempt = 1; rows.length > 0; attempt++) {
      const changes = await this.#convert(rows, lane.layout)
      if (this.#options.dryRun) {
        this.#result.changed += changes.length
        break
      }
      const written = await this.#write(lane, changes)
      this.#result.changed += written.size
      const missed = changes.filter(({ row }) => !written.has(row.id)).map(({ row }) => row)
      if (missed.length > 0 && attempt === MAX_ATTEMPTS) {
        this.#result.contended += missed.length
        break
      }
      // Somebody else wrote these meanwhile, and wins; what they wrote may need the conversion as well.
      rows = missed.length === 0 ? [] : await lane.again(missed)
    }
    this.#result.rows += batch.length
    this.#options.onProgress?.(this.#progress())
  }

  async #write(lane: ColumnRows, changes: readonly Change[]): Promise<ReadonlySet<string>> {
    if (changes.length === 0) return new Set()
    for (let attempt = 1; ; attempt++) {
      try {
        return await lane.write(changes)
      } catch (error) {
        if (isRefusedValue(error) && this.#ownsTransactions) return this.#writeOthers(lane, changes, error)
        // A deadlock ends the whole transaction; only one of our own can be repeated.
        if (!isDeadlock(error) || attempt === MAX_ATTEMPTS || !this.#ownsTransactions) throw error
        await sleep(Math.random() * 20 * attempt)
      }
    }
  }

  /** The database does not say which value it refuses: the batch is halved until there is one. */
  async #writeOthers(
    lane: ColumnRows,
    changes: readonly Change[],
    error: unknown,
  ): Promise<ReadonlySet<string>> {
    const [change, ...others] = changes
    if (others.length === 0) {
      const refused = this.#column.placed(explained(error, this.#column))
      throw refused.at({ primaryKey: primaryKeyOf(lane.layout, change!.row) })
    }
    const middle = changes.length >> 1
    const first = await this.#write(lane, changes.slice(0, middle))
    return new Set([...first, ...(await this.#write(lane, changes.slice(middle)))])
  }

  async #convert(rows: readonly ColumnRow[], layout: ColumnLayout): Promise<Change[]> {
    const changes: Change[] = []
    let next = 0
    const convertNext = async (): Promise<void> => {
      for (let row = rows[next++]; row; row = rows[next++]) {
        try {
          const value = await this.#conversion.convert(row)
          if (value !== undefined) changes.push({ row, value })
        } catch (error) {
          next = rows.length
          if (!(error instanceof KmsEncryptionError)) throw error
          throw this.#column.placed(error).at({ primaryKey: primaryKeyOf(layout, row) })
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(CONVERSIONS_AT_ONCE, rows.length) }, convertNext))
    return changes
  }

  #progress(): MigrationResult {
    return { ...this.#result, elapsed: performance.now() - this.#start }
  }

  async #keepRate(): Promise<void> {
    const { maxRate, signal } = this.#options
    if (maxRate === undefined) return
    const ahead = (this.#result.rows / maxRate) * 1_000 - (performance.now() - this.#start)
    if (ahead > 0) await sleep(ahead, undefined, { signal }).catch(() => undefined)
  }

  #checkSignal(): void {
    if (this.#options.signal?.aborted !== true) return
    throw this.#column.error(InterruptedError, 'stopped as asked')
  }

  /** Says what is done, and that running the same again goes on from there. */
  #toResume(error: unknown, executor: Executor): unknown {
    if (!(error instanceof KmsEncryptionError) || this.#result.rows + this.#result.total === 0) return error
    const { changed, total } = this.#result
    const Class = error.constructor as new (
      reason: string,
      details: ConstructorParameters<typeof InterruptedError>[1],
    ) => KmsEncryptionError
    const inTransaction = isQueryRunner(executor) && executor.isTransactionActive
    const resume = inTransaction
      ? 'The transaction around it decides what stays; running it again is safe.'
      : `${changed} of ${total} rows were ${this.#conversion.done} and stay so; run the same again to go on.`
    const { entity, property, primaryKey, cause } = error
    const place = {
      ...(entity && { entity }),
      ...(property && { property }),
      ...(primaryKey && { primaryKey }),
    }
    return new Class(`${error.reason.replace(/\.?$/, '.')} ${resume}`, { ...place, cause })
  }
}
