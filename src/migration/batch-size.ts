import { type ColumnRow } from '../dialects/rows/column-rows'

/** Most bytes of values to be read at once. */
const BATCH_BYTES = 4 * 2 ** 20
const FIRST_BATCH = 64

/**
 * How many rows to read next, so that memory stays bounded however large the values are: few at first, then up to
 * the limit as long as the values seen are small enough.
 */
export class BatchSize {
  readonly #limit: number
  #next: number

  constructor(limit: number) {
    this.#limit = limit
    this.#next = Math.min(limit, FIRST_BATCH)
  }

  get next(): number {
    return this.#next
  }

  /** Learns from the rows that were read. */
  learn(rows: readonly ColumnRow[]): void {
    const bytes = rows.reduce((sum, { stored }) => sum + Buffer.byteLength(stored), 0)
    const fitting = Math.floor((BATCH_BYTES * rows.length) / Math.max(bytes, 1))
    this.#next = Math.max(1, Math.min(this.#limit, this.#next * 4, fitting))
  }
}
