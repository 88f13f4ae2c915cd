import { MAGIC, Suite } from '../cipher/format'
import { bytesFromDriver } from '../column/driver-value'
import { type ColumnRows } from '../dialects/rows/column-rows'
import { asBuffer } from '../dialects/rows/is-same'
import { type Shard } from '../dialects/rows/key-order'
import { type Stored } from '../orm/read/value-opener'
import { type RowsLeft } from './conversion'
import { lengthOf, startSql } from './value-start-sql'
import { startOf, type ValueStart } from './value-starts'

/**
 * How the values of a pass begin that moves them: what has another start at the end was not met, or stays as it is. Of
 * values under one KMS key, or under stored data keys, all begin alike.
 */
export class MovedStarts {
  readonly #done = new Set<string>()
  readonly #left = new Map<string, number>()
  readonly #tellsDataKeys: boolean

  /** `tellsDataKeys`: that a value names a stored data key is not enough, it depends on which. */
  constructor(tellsDataKeys: boolean) {
    this.#tellsDataKeys = tellsDataKeys
  }

  /** A value is as it should be. */
  done(stored: Stored): void {
    this.#done.add(this.#idOf(startOfStored(stored)))
  }

  /** A value stays, and perhaps should not. */
  leave(stored: Stored): void {
    const id = this.#idOf(startOfStored(stored))
    this.#left.set(id, (this.#left.get(id) ?? 0) + 1)
  }

  /** The rows are gone through once more. */
  again(): void {
    this.#left.clear()
  }

  async count(rows: ColumnRows, shard: Shard | undefined): Promise<RowsLeft> {
    const { layout } = rows
    const counts = new Map<string, number>()
    for (const { value, rows: count } of await rows.countBy(startSql(layout), shard)) {
      const id = this.#idOf(startOf(bytesFromDriver(value, layout.place)))
      if (!this.#done.has(id)) counts.set(id, (counts.get(id) ?? 0) + count)
    }
    const left = { counted: 0, met: 0 }
    for (const [id, count] of counts) {
      left.counted += count
      left.met += Math.min(count, this.#left.get(id) ?? 0)
    }
    return left
  }

  /** All that is no ciphertext has no header, and so is the same. */
  #idOf({ header, text }: Start): string {
    const namesDataKey = header[2] === Suite.StoredKey && !this.#tellsDataKeys
    return `${text} ${header.toString('hex', 0, namesDataKey ? 3 : undefined)}`
  }
}

type Start = Pick<ValueStart, 'header' | 'text'>

/** As the database tells it. */
function startOfStored(stored: Stored): Start {
  const bytes = asBuffer(stored)
  const isCiphertext = bytes[0] === MAGIC || /wQ[E-H]/.test(bytes.toString('latin1', 0, 3))
  return startOf(isCiphertext ? bytes.subarray(0, lengthOf(bytes)) : OTHER)
}

const OTHER = Buffer.of(0)
