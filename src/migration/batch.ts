import { setTimeout as sleep } from 'node:timers/promises'
import { type Dialect, type HiddenBy } from '../dialects/dialect'
import { alteredError } from '../dialects/rows/check-stored'
import { type Change, type ColumnRow, type ColumnRows } from '../dialects/rows/column-rows'
import { isSame } from '../dialects/rows/is-same'
import { ForgottenError, RowsHiddenError } from '../errors'
import { isOfOneValue } from '../errors/kinds'
import { type BoundColumn } from '../orm/bound-column'
import { rowsKept } from './column-contents'
import { type Conversion } from './conversion'
import { type Failures } from './failures'
import { explained, isDuplicate } from './refusals'

/** Values converted at once within a batch: in direct mode each is a call to KMS. */
const CONVERSIONS_AT_ONCE = 32
/** How often a row that changed while it was converted is tried again. */
const MAX_ATTEMPTS = 8

export interface BatchOptions {
  dialect: Dialect
  dryRun: boolean
  /** Failures of single rows are collected here, instead of ending the pass. */
  failures: Failures | undefined
  /** False where a transaction is somebody else's: it cannot be repeated. */
  ownsTransactions: boolean
  triggers: () => Promise<readonly string[]>
  /** What may keep rows from being seen or changed. */
  hiddenBy: HiddenBy | undefined
}

/** What became of the rows of a batch. */
export interface BatchResult {
  changed: number
  contended: number
  /** Rows that were not found again by their key: others have deleted them or made them NULL. */
  gone: number
  /** Rows whose data key was destroyed, left as they are. */
  forgotten: number
}

/** Takes rows through a conversion, and writes them where they still are what was read. */
export class BatchWorker {
  readonly #column: BoundColumn
  readonly #conversion: Conversion
  readonly #options: BatchOptions

  constructor(column: BoundColumn, conversion: Conversion, options: BatchOptions) {
    this.#column = column
    this.#conversion = conversion
    this.#options = options
  }

  async process(batch: readonly ColumnRow[], lane: ColumnRows): Promise<BatchResult> {
    const result: BatchResult = { changed: 0, contended: 0, gone: 0, forgotten: 0 }
    let rows = batch
    for (let attempt = 1; ; attempt++) {
      const { changes, forgotten } = await this.#convert(rows)
      result.forgotten += forgotten
      if (this.#options.dryRun) return { ...result, changed: changes.length }
      const done = await this.#write(lane, changes)
      result.changed += done.written.size
      const missed = changes.filter(({ row }) => !done.written.has(row.id) && !done.skipped.has(row.id))
      if (missed.length === 0) break
      // Somebody else wrote these meanwhile, and wins; what they wrote may need the conversion as well.
      rows = await lane.again(missed.map(({ row }) => row))
      result.gone += missed.length - rows.length
      if (attempt < MAX_ATTEMPTS) continue
      await this.#checkContention(lane, missed, rows)
      result.contended += rows.length
      for (const row of rows) this.#conversion.leave?.(row)
      break
    }
    return result
  }

  /** A row that nobody changes and that is not written either: a trigger or a policy skips the UPDATE. */
  async #checkContention(
    lane: ColumnRows,
    missed: readonly Change[],
    now: readonly ColumnRow[],
  ): Promise<void> {
    const byId = new Map(now.map((row) => [row.id, row]))
    const isUnchanged = ({ row }: Change): boolean => {
      const found = byId.get(row.id)
      return (
        found !== undefined &&
        isSame(row.stored, found.stored) &&
        String(row.version) === String(found.version)
      )
    }
    const ignored = missed.find(isUnchanged)
    if (!ignored) return
    if (this.#options.hiddenBy !== 'policy') {
      throw alteredError(lane.layout, ignored, await this.#options.triggers())
    }
    const kept = this.#column.error(RowsHiddenError, rowsKept(lane.layout.path))
    throw kept.at({ primaryKey: ignored.row.primaryKey() })
  }

  async #convert(rows: readonly ColumnRow[]): Promise<{ changes: Change[]; forgotten: number }> {
    const changes: Change[] = []
    let forgotten = 0
    let next = 0
    const convertNext = async (): Promise<void> => {
      for (let row = rows[next++]; row; row = rows[next++]) {
        try {
          const converted = await this.#conversion.convert(row)
          if (converted !== undefined) changes.push({ row, ...converted })
        } catch (error) {
          if (error instanceof ForgottenError && this.#conversion.leavesForgotten) {
            forgotten++
            this.#conversion.leave?.(row)
            continue
          }
          if (this.#skips(row, error)) continue
          next = rows.length
          throw this.#column.placed(error).at({ primaryKey: row.primaryKey() })
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(CONVERSIONS_AT_ONCE, rows.length) }, convertNext))
    return { changes, forgotten }
  }

  async #write(lane: ColumnRows, changes: readonly Change[]): Promise<Written> {
    if (changes.length === 0) return { written: new Set(), skipped: new Set() }
    for (let attempt = 1; ; attempt++) {
      try {
        return { written: await lane.write(changes), skipped: new Set() }
      } catch (error) {
        const failure = this.#options.dialect.failureOf(error)
        const isOfValue = failure === 'value-refused' || isDuplicate(error, this.#column)
        if (isOfValue && this.#canWriteOthers) return this.#writeOthers(lane, changes, error)
        // A deadlock ends the whole transaction; only one of our own can be repeated.
        if (failure !== 'deadlock' || attempt === MAX_ATTEMPTS || !this.#options.ownsTransactions) throw error
        await sleep(Math.random() * 20 * attempt)
      }
    }
  }

  get #canWriteOthers(): boolean {
    return this.#options.ownsTransactions || this.#options.failures !== undefined
  }

  /** The database does not say which value it refuses: the batch is halved until there is one. */
  async #writeOthers(lane: ColumnRows, changes: readonly Change[], error: unknown): Promise<Written> {
    const [change, ...others] = changes
    if (change && others.length === 0) {
      const refused = this.#column.placed(explained(error, this.#options.dialect, this.#column))
      if (this.#skips(change.row, refused)) return { written: new Set(), skipped: new Set([change.row.id]) }
      throw refused.at({ primaryKey: change.row.primaryKey() })
    }
    const middle = changes.length >> 1
    const first = await this.#write(lane, changes.slice(0, middle))
    const second = await this.#write(lane, changes.slice(middle))
    return {
      written: new Set([...first.written, ...second.written]),
      skipped: new Set([...first.skipped, ...second.skipped]),
    }
  }

  #skips(row: ColumnRow, error: unknown): boolean {
    // Trouble of KMS itself says nothing about the row.
    if (!this.#options.failures || !isOfOneValue(error)) return false
    this.#options.failures.add(row, this.#column.placed(error))
    this.#conversion.leave?.(row)
    return true
  }
}

/** Ids of rows that were written, and of those that were left because the database refuses their value. */
interface Written {
  written: ReadonlySet<string>
  skipped: ReadonlySet<string>
}
