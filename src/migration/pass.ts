import { type QueryRunner } from 'typeorm'
import { type Dialect, dialectOf } from '../dialects'
import { type HiddenBy } from '../dialects/dialect'
import { type ColumnRow, type ColumnRows } from '../dialects/rows/column-rows'
import { InterruptedError, type KmsEncryptionError, RowsHiddenError, RowsLeftOutError } from '../errors'
import { type BoundColumn } from '../orm/bound-column'
import { BatchWorker } from './batch'
import { BatchSize } from './batch-size'
import { rowsHidden } from './column-contents'
import { type Conversion, type RowsLeft } from './conversion'
import { Failures } from './failures'
import { requireIndexColumns } from './indexes/index-columns'
import { keepRate } from './keep-rate'
import { checkedOptions, type MigrationOptions, type MigrationResult } from './options'
import { checkCounts, pagesOf } from './pages'
import { explained, refuseForeignKeys, refuseRules } from './refusals'
import { toResume } from './resume'
import { type ColumnLayout, readLayout, withKeys } from './rows/column-layout'
import { dataSourceOf, type Executor, isQueryRunner } from './target'

/** How often the rows are gone through where others move or write rows behind the page that is read. */
const MAX_LAPS = 3

/**
 * Takes the rows of one column through a conversion, in the order of the primary key. Rows are read in batches
 * (keyset pagination), converted in memory, and written where they still are what was read. It keeps no record of
 * its own: what is done is recognised by its bytes, so it can be ended at any moment and run again.
 */
export class Pass {
  readonly #column: BoundColumn
  readonly #conversion: Conversion
  readonly #options
  readonly #start = performance.now()
  readonly #failures = new Failures()
  readonly #notes: string[] = []
  readonly #result: Pick<
    MigrationResult,
    'total' | 'rows' | 'changed' | 'contended' | 'forgotten' | 'dataKeys'
  >
  /** Rows that were seen, and not found again when they were to be written. */
  #gone = 0
  /** Rows that were seen the times before. */
  #before = 0
  /** Puts the connections back as they were. */
  readonly #restore: (() => Promise<void>)[] = []

  constructor(column: BoundColumn, conversion: Conversion, options: MigrationOptions) {
    this.#column = column
    this.#conversion = conversion
    this.#options = checkedOptions(options)
    this.#result = { total: 0, rows: 0, changed: 0, contended: 0, forgotten: 0, dataKeys: 0 }
  }

  /** Throws what KMS, the database or a value refused, saying how far it got. */
  async run(executor: Executor): Promise<MigrationResult> {
    const dialect = dialectOf(dataSourceOf(executor).options)
    const runners = this.#runners(executor, dialect)
    try {
      for (const runner of runners) {
        this.#restore.push(await dialect.limitLockWait(runner, this.#options.lockTimeout))
      }
      await this.#through(runners, !isQueryRunner(executor))
      return this.#progress()
    } catch (error) {
      const inTransaction = isQueryRunner(executor) && executor.isTransactionActive
      throw toResume(explained(error, dialect, this.#column), this.#column, {
        progress: this.#result,
        conversion: this.#conversion,
        dryRun: this.#options.dryRun,
        inTransaction,
      })
    } finally {
      for (const undo of this.#restore.reverse()) await undo()
      if (!isQueryRunner(executor)) await Promise.all(runners.map((runner) => runner.release()))
    }
  }

  /** One connection reads and, with a DataSource, others write meanwhile, where there can be several. */
  #runners(executor: Executor, { onlyConnection }: Dialect): [QueryRunner, ...QueryRunner[]] {
    if (isQueryRunner(executor)) return [executor]
    const writers = onlyConnection ? 0 : this.#options.concurrency
    const dataSource = dataSourceOf(executor)
    const others = Array.from({ length: writers }, () => dataSource.createQueryRunner('master'))
    return [dataSource.createQueryRunner('master'), ...others]
  }

  async #through(runners: [QueryRunner, ...QueryRunner[]], ownsTransactions: boolean): Promise<void> {
    const { shard, skipFailed, dryRun = false } = this.#options
    const [reader, ...writers] = runners
    const layout = await readLayout(reader, this.#column)
    // A migration around it may have changed them.
    await this.#column.recipes.check?.(reader)
    const { dialect } = layout
    const triggers = (): Promise<string[]> => dialect.triggers(reader, layout)
    const { indexes = [] } = this.#conversion
    await requireIndexColumns(reader, this.#column, indexes)
    const keyed = await withKeys(reader, layout, indexes)
    for (const runner of runners) this.#restore.push(await dialect.fixFormats(runner, keyed.keys))
    const hiddenBy = await this.#look(reader, layout, await triggers())
    const rows = await dialect.openRows(reader, keyed)
    await this.#conversion.begin(layout, rows)
    this.#result.total = await rows.count(shard)
    if (!dryRun) await this.#tryOut(rows)
    const failures = skipFailed ? this.#failures : undefined
    const options = { dialect, dryRun, failures, ownsTransactions, triggers, hiddenBy }
    const worker = new BatchWorker(this.#column, this.#conversion, options)
    const lanes =
      writers.length === 0
        ? [rows]
        : await Promise.all(writers.map((writer) => dialect.openRows(writer, keyed)))
    for (let lap = 1; ; lap++) {
      await this.#inLanes(rows, lanes, worker)
      const { total: before, rows: seen } = this.#result
      const counts = { before, seen: seen - this.#gone, after: await rows.count(shard) }
      await checkCounts(rows, counts, shard)
      const left = await this.#left(rows)
      // A row whose key was changed meanwhile may have come to stand behind the page that was read.
      const isShort = counts.seen < Math.min(before, counts.after)
      if (left.counted <= left.met && !isShort) break
      if (lap < MAX_LAPS && this.#conversion.startsOver === undefined) {
        this.#beginAgain(counts.after)
        continue
      }
      // A migration's transaction may see an earlier state of rows that others have written since.
      if (left.counted > left.met && !reader.isTransactionActive) throw this.#leftOut(left)
      break
    }
    await this.#conversion.end?.(rows, shard)
  }

  #beginAgain(total: number): void {
    this.#before += this.#result.rows
    Object.assign(this.#result, { total, rows: 0, contended: 0, forgotten: 0 })
    this.#gone = 0
    this.#failures.clear()
    this.#conversion.again?.()
  }

  async #left(rows: ColumnRows): Promise<RowsLeft> {
    const { dryRun, shard } = this.#options
    const left = dryRun ? undefined : await this.#conversion.left?.(rows, shard)
    return left ?? { counted: 0, met: 0 }
  }

  #leftOut({ counted, met }: RowsLeft): KmsEncryptionError {
    const { done } = this.#conversion
    const failed = this.#failures.count
    const known =
      failed === 0 ? `${met} of them were met` : `${met} of them were met, and ${failed} rows failed`
    const stay = met === 0 ? ':' : `. ${known}; as to the rest,`
    return this.#column.error(
      RowsLeftOutError,
      `the database counts ${counted} rows that are not ${done}${stay} others wrote them, or changed their primary keys, again and again meanwhile. Have them stop, and run the same again.`,
    )
  }

  /** Says what the table has that may get in the way, before the first row. */
  async #look(
    reader: QueryRunner,
    layout: ColumnLayout,
    triggers: readonly string[],
  ): Promise<HiddenBy | undefined> {
    const hiddenBy = await layout.dialect.hiddenBy(reader, layout)
    if (hiddenBy) {
      const hidden = rowsHidden(layout.path, hiddenBy)
      const isClosed = hiddenBy === 'view' && !layout.dialect.changesViews
      if (this.#conversion.certifies || isClosed) throw this.#column.error(RowsHiddenError, hidden)
      this.#note(hidden)
    }
    if (!this.#conversion.certifies) {
      await refuseForeignKeys(reader, layout)
      await refuseRules(reader, layout)
    }
    if (triggers.length > 0 && !this.#conversion.certifies) {
      this.#note(
        `an UPDATE of the table ${layout.table} fires ${triggers.join(', ')}. What is stored is compared with what was sent; other columns are the trigger's.`,
      )
    }
    return hiddenBy
  }

  #note(text: string): void {
    this.#notes.push(text)
    this.#options.onNote?.(`${this.#column.name}: ${text}`)
  }

  /** Has the table show what it has against such values before the first one is written. */
  async #tryOut(rows: ColumnRows): Promise<void> {
    const [row] = this.#conversion.samples ? await rows.page({ after: undefined, limit: 1 }) : []
    if (!row) return
    for (const value of (await this.#conversion.samples?.()) ?? []) await rows.tryOut({ row, value })
  }

  async #inLanes(rows: ColumnRows, lanes: readonly ColumnRows[], worker: BatchWorker): Promise<void> {
    const underWay = new Map<ColumnRows, Promise<void>>(lanes.map((lane) => [lane, Promise.resolve()]))
    try {
      for await (const batch of this.#batches(rows)) {
        const lane = await Promise.race(Array.from(underWay, ([free, work]) => work.then(() => free)))
        const work = this.#process(batch, lane, worker)
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

  async *#batches(rows: ColumnRows): AsyncGenerator<readonly ColumnRow[]> {
    const { batchSize, maxRate = batchSize, shard } = this.#options
    const size = new BatchSize(Math.min(batchSize, maxRate))
    const next = (): { limit: number; shard: typeof shard } => {
      this.#checkSignal()
      return { limit: size.next, shard }
    }
    for await (const page of pagesOf(rows, next)) {
      size.learn(page)
      yield page
      await this.#keepRate()
    }
  }

  async #process(batch: readonly ColumnRow[], lane: ColumnRows, worker: BatchWorker): Promise<void> {
    const { changed, contended, gone, forgotten } = await worker.process(batch, lane)
    this.#result.forgotten += forgotten
    this.#gone += gone
    this.#result.changed += changed
    this.#result.contended += contended
    this.#result.rows += batch.length
    this.#options.onProgress?.(this.#progress())
  }

  #progress(): MigrationResult {
    const { entityMetadata, propertyPath } = this.#column.metadata
    return {
      entity: entityMetadata.name,
      property: propertyPath,
      ...this.#result,
      skipped: this.#failures.count,
      failures: this.#failures.listed,
      notes: this.#notes,
      elapsed: performance.now() - this.#start,
    }
  }

  #keepRate(): Promise<void> {
    const { maxRate, signal } = this.#options
    const elapsed = performance.now() - this.#start
    return keepRate({ rows: this.#before + this.#result.rows, elapsed }, maxRate, signal)
  }

  #checkSignal(): void {
    if (this.#options.signal?.aborted !== true) return
    throw this.#column.error(InterruptedError, 'stopped as asked')
  }
}
