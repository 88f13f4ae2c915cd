import { type KmsEncryptionError } from '../errors'
import { type BoundColumn } from './bound-column'
import { type Stored } from './value-opener'

/** What became of a stored value: its plaintext, or why there is none. */
export type Opened = Buffer | KmsEncryptionError

/** Most values that are opened before hydration asks for them. */
const MAX_AHEAD = 64

/** Milliseconds for which a page waits for its hydration, which may first load relation ids. */
const LIFETIME = 1_000

/**
 * What hydration finds a value by: a Buffer of the driver by itself, a text by its characters. A Buffer of the query
 * result cache is made anew each time its JSON is read, so its bytes stand for it.
 */
export function keyOf(value: unknown, stored: Stored): Stored {
  return typeof stored === 'string' || value instanceof Uint8Array ? stored : stored.toString('base64')
}

/** The stored values of one encrypted column on one page of rows. */
export class ColumnPage {
  readonly #keys: Stored[] = []
  readonly #stored: Stored[] = []
  /** What KMS was asked for, by place. */
  readonly #known: (Opened | undefined)[] = []
  #places: ReadonlyMap<Stored, number> | undefined
  /** The place that hydration will ask for next, if it takes every row. */
  #next = 0
  /** Values opened ahead, and the place of the first of them. */
  #ahead: unknown[] = []
  #start = 0

  constructor(
    /** The column for which KMS was asked. */
    readonly column: BoundColumn,
  ) {}

  get length(): number {
    return this.#keys.length
  }

  /** Adds a value and returns its place. */
  add(key: Stored, stored: Stored): number {
    this.#stored.push(stored)
    return this.#keys.push(key) - 1
  }

  /** Keeps what KMS was asked for. */
  know(place: number, opened: Opened): void {
    this.#known[place] = opened
  }

  /** True if this is the value that hydration will ask for next, if it takes every row. */
  isNext(key: unknown): key is Stored {
    return this.#keys[this.#next] === key
  }

  /**
   * The value behind a key, or `undefined` if it is not of this page. To decrypt many in one go costs far less than
   * one by one between TypeORM's own steps. Of the rows of a join, where a value is repeated, hydration takes only
   * the first; so the more rows it took one after the other, the more are opened ahead.
   */
  take(key: Stored, column: BoundColumn): unknown {
    const place = this.isNext(key) ? this.#next : this.#find(key)
    if (place === undefined) return undefined
    const readsOn = place === this.#next
    this.#next = place + 1
    if (this.#ahead[place - this.#start] === undefined) {
      this.#readAhead(place, readsOn ? Math.min(2 * this.#ahead.length, MAX_AHEAD) : 1, column)
    }
    const value = this.#ahead[place - this.#start]
    this.#ahead[place - this.#start] = undefined
    return value
  }

  has(key: Stored): boolean {
    return this.#find(key) !== undefined
  }

  #find(key: Stored): number | undefined {
    this.#places ??= new Map(this.#keys.map((each, place) => [each, place]))
    return this.#places.get(key)
  }

  /** What one declaration of a column could not open, another may (`previous`, `acceptPlaintext`). */
  #knownTo({ scheme }: BoundColumn, place: number): Opened | undefined {
    const known = this.#known[place]
    return scheme === this.column.scheme || Buffer.isBuffer(known) ? known : undefined
  }

  #readAhead(start: number, count: number, column: BoundColumn): void {
    const end = Math.min(start + Math.max(count, 1), this.#stored.length)
    const values: unknown[] = []
    for (let place = start; place < end; place++) {
      values.push(column.hydrate(this.#stored[place]!, this.#knownTo(column, place)))
    }
    this.#ahead = values
    this.#start = start
  }
}

/**
 * The pages of one column between the query that brought them and TypeORM's hydration, which asks for the values one
 * by one and cannot wait. Hydration of a page is synchronous: meanwhile no other page is asked for, and when it ends
 * the page is forgotten.
 */
export class ColumnPages {
  /** When each was added, by `performance.now()`. */
  readonly #pages = new Map<ColumnPage, number>()
  /** Those that hydration has asked: more than one if a table is joined to itself. */
  readonly #hydrating = new Set<ColumnPage>()
  #last: ColumnPage | undefined
  #isSweepDue = false

  add(page: ColumnPage): void {
    this.#pages.set(page, performance.now())
    this.#sweepLater()
  }

  /** The value behind a key, or `undefined` if no page has it: then it came by another way, or too late. */
  take(key: Stored, column: BoundColumn): unknown {
    return this.#pages.size === 0 ? undefined : this.#pageWith(key)?.take(key, column)
  }

  /** The same for a value as TypeORM has it, if it is the next one of the page that was asked last. */
  takeNext(value: unknown, column: BoundColumn): unknown {
    return this.#last?.isNext(value) ? this.#last.take(value, column) : undefined
  }

  #pageWith(key: Stored): ColumnPage | undefined {
    const candidates = [...this.#hydrating, ...this.#pages.keys()]
    const page = candidates.find((each) => each.isNext(key)) ?? candidates.find((each) => each.has(key))
    if (!page) return undefined
    if (this.#hydrating.size === 0)
      queueMicrotask(() => {
        this.#forgetHydrated()
      })
    this.#hydrating.add(page)
    return (this.#last = page)
  }

  #forgetHydrated(): void {
    for (const page of this.#hydrating) this.#pages.delete(page)
    this.#hydrating.clear()
    this.#last = undefined
  }

  /** Drops pages that hydration does not ask for, such as those of raw queries. */
  #sweepLater(): void {
    if (this.#isSweepDue) return
    this.#isSweepDue = true
    const sweep = (): void => {
      this.#isSweepDue = false
      const oldest = performance.now() - LIFETIME
      for (const [page, addedAt] of this.#pages) if (addedAt <= oldest) this.#pages.delete(page)
      if (this.#pages.size > 0) this.#sweepLater()
    }
    setTimeout(sweep, LIFETIME).unref()
  }
}
