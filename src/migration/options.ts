import { InvalidOptionError } from '../errors'
import { type Unreadable } from './failures'
import { type Shard } from '../dialects/rows/key-order'

/** Options of everything that goes through the rows of a table. */
export interface MigrationOptions {
  /** Most rows read and written at once. Default 500. Fewer are taken where values are large: 4 MB at once. */
  batchSize?: number
  /** Batches under way at once, each on a connection of its own. Default 2 with a DataSource; else always 1. */
  concurrency?: number
  /** Most rows per second. Default: no limit. */
  maxRate?: number
  /** Does everything except writing. Default `false`. */
  dryRun?: boolean
  /** Works on one part of the table, by a hash of the primary key: `{ index: 2, count: 8 }` is the second of eight. */
  shard?: Shard
  /** Milliseconds to wait for a lock that another session holds. Default 10,000. */
  lockTimeout?: number
  /**
   * Leaves rows that cannot be converted as they are, lists them in `failures` and goes on, instead of ending with the
   * first. Trouble of KMS and of the database still ends it. Default `false`.
   */
  skipFailed?: boolean
  /** Stops after the batches under way; the promise is then rejected with `InterruptedError`. */
  signal?: AbortSignal
  /** Called after each batch. */
  onProgress?: (progress: MigrationProgress) => void
  /** Called before the first row with each of the `notes` of the result. */
  onNote?: (note: string) => void
}

/** How far a run is. */
export interface MigrationProgress {
  entity: string
  property: string
  /** Rows that are not NULL, as counted at the start. */
  total: number
  /** Rows seen so far. */
  rows: number
  /** Rows written so far, or with `dryRun` those that would be. */
  changed: number
  /** Milliseconds since the start. */
  elapsed: number
}

/** What became of one column. */
export interface MigrationResult extends MigrationProgress {
  /** Rows that the application wrote again and again while they were to be written; they are as it left them. */
  contended: number
  /** Rows that could not be converted and are as they were (`skipFailed`). */
  skipped: number
  /**
   * Rows whose data key was destroyed on purpose: nothing opens them any more, and they are as they were. They are no
   * failures.
   */
  forgotten: number
  /** Stored data keys that were moved to the KMS key, or with `dryRun` would be. */
  dataKeys: number
  /** The first 1,000 of the skipped rows. */
  failures: readonly Unreadable[]
  /** What the table has that may get in the way, for people: triggers, row level security. */
  notes: readonly string[]
}

/** The options with their defaults. Throws `InvalidOptionError`. */
export function checkedOptions(options: MigrationOptions): MigrationOptions & {
  batchSize: number
  concurrency: number
  lockTimeout: number
} {
  const { batchSize = 500, concurrency = 2, lockTimeout = 10_000, maxRate, shard } = options
  for (const [name, value] of Object.entries({ batchSize, concurrency, lockTimeout, maxRate })) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) {
      throw new InvalidOptionError(`${name} must be a positive whole number`)
    }
  }
  if (batchSize > 10_000) throw new InvalidOptionError('batchSize must be at most 10,000')
  if (shard) {
    const { index, count } = shard
    if (![index, count].every((value) => Number.isSafeInteger(value) && value > 0) || index > count)
      throw new InvalidOptionError('shard takes index and count, index from 1 to count, e.g. 2 of 8')
  }
  return { ...options, batchSize, concurrency, lockTimeout }
}
