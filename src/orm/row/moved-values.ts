import { type ObjectLiteral } from 'typeorm'
import { type Plaintext } from '../../column/types'
import { type RowValues } from '../recipe'

/** A value that `save` writes anew only because it moves its row. */
export interface Moved {
  readonly plaintext: Plaintext
  /** Its column in the database, and those that it was bound to and keyed by. */
  readonly name: string
  readonly boundTo: readonly string[]
  /** True if it has blind indexes, which were made of it. */
  readonly isSearched: boolean
  /** The value that the row has now. Throws for one that does not open. */
  readonly open: (stored: unknown, row: RowValues) => Promise<Uint8Array>
}

const unchanged = new WeakMap<ObjectLiteral, Set<object>>()

/** Notes of each `save` anew whether the entity moves its row and has the value that the row had when it was read. */
export function noteMove(entity: ObjectLiteral, column: object, isUnchanged: boolean): void {
  const columns = unchanged.get(entity)
  if (!isUnchanged) columns?.delete(column)
  else if (columns) columns.add(column)
  else unchanged.set(entity, new Set([column]))
}

/** True if the entity moves its row and the application has not changed the value. */
export function isOnlyMoved(entity: ObjectLiteral, column: object): boolean {
  return unchanged.get(entity)?.has(column) === true
}

/**
 * The values that the next statements of a query runner write only because their row moves. What others have stored in
 * the row meanwhile must not be replaced by them.
 */
export class MovedValues {
  /** By the names of the primary key, for each column. */
  readonly #keys = new Map<string, readonly string[]>()
  readonly #values = new Map<string, Moved>()

  get isEmpty(): boolean {
    return this.#values.size === 0
  }

  /** `cell`: names the column; `key`: names of the primary key's columns, which `row` must know. */
  announce(cell: string, key: readonly string[], row: RowValues, moved: Moved): void {
    this.#keys.set(cell, key)
    const id = idOf(key, row)
    if (id !== undefined) this.#values.set(cell + id, moved)
  }

  /** What was announced for the column in this row; once. */
  take(cell: string, row: RowValues): Moved | undefined {
    const key = this.#keys.get(cell)
    const id = key && idOf(key, row)
    if (id === undefined) return undefined
    const moved = this.#values.get(cell + id)
    if (moved) this.#values.delete(cell + id)
    return moved
  }

  clear(): void {
    // Clearing what is empty makes a new table.
    if (this.#values.size > 0) this.#values.clear()
  }
}

/** A primary key as text; `undefined` if it is not known. */
function idOf(key: readonly string[], row: RowValues): string | undefined {
  const values = key.map(row)
  if (values.some((value) => value === undefined || value === null)) return undefined
  const texts = values.map((value) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value),
  )
  return JSON.stringify(texts)
}
