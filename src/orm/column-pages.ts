import { type KmsEncryptionError } from '../errors'
import { type BoundColumn } from './bound-column'
import { type Stored } from './value-opener'

/** What became of a stored value: its plaintext, or why there is none. */
export type Opened = Buffer | KmsEncryptionError

/** Milliseconds for which a page waits for its hydration, which may first load relation ids. */
const LIFETIME = 1_000

/**
 * What hydration finds a value by: a Buffer of the driver by itself, a text by its characters. A Buffer of the query
 * result cache is made anew each time its JSON is read, so its bytes stand for it.
 */
export function keyOf(value: unknown, stored: Stored): Stored {
  return typeof stored === 'string' || value instanceof Uint8Array ? stored : stored.toString('base64')
}

/** The values of one encrypted column on one page of rows, in their order, opened before hydration. */
export class ColumnPage {
  readonly #keys: Stored[] = []
  readonly #opened: (Opened | undefined)[] = []
  #places: ReadonlyMap<Stored, number> | undefined
  /** The place that hydration will ask for next, if it takes every row. */
  #next = 0

  constructor(
    /** The column that opened them. */
    readonly column: BoundColumn,
  ) {}

  /** Adds a value that is to be opened, and returns its place. */
  add(key: Stored): number {
    return this.#keys.push(key) - 1
  }

  open(place: number, opened: Opened): void {
    this.#opened[place] = opened
  }

  /** True if this is the value that hydration will ask for next, if it takes every row. */
  isNext(key: Stored): boolean {
    return this.#keys[this.#next] === key
  }

  has(key: Stored): boolean {
    return this.#find(key) !== undefined
  }

  /** What became of a value. Looking first where hydration mostly goes on costs far less than a map does. */
  get(key: Stored, { scheme }: BoundColumn): Opened | undefined {
    const place = this.isNext(key) ? this.#next : this.#find(key)
    if (place === undefined) return undefined
    this.#next = place + 1
    const opened = this.#opened[place]
    // What one declaration of a column could not open, another may (`previous`, `acceptPlaintext`).
    return scheme === this.column.scheme || Buffer.isBuffer(opened) ? opened : undefined
  }

  #find(key: Stored): number | undefined {
    this.#places ??= new Map(this.#keys.map((each, place) => [each, place]))
    return this.#places.get(key)
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

  /** True if no value is waiting: then none need be looked for. */
  get isEmpty(): boolean {
    return this.#pages.size === 0
  }

  add(page: ColumnPage): void {
    this.#pages.set(page, performance.now())
    this.#sweepLater()
  }

  /** What became of a value, or `undefined` if no page has it: then it needed no KMS, or comes too late. */
  get(key: Stored, column: BoundColumn): Opened | undefined {
    const page = this.#last?.isNext(key) ? this.#last : this.#pageWith(key)
    return page?.get(key, column)
  }

  #pageWith(key: Stored): ColumnPage | undefined {
    const candidates = [...this.#hydrating, ...this.#pages.keys()]
    const page = candidates.find((each) => each.isNext(key)) ?? candidates.find((each) => each.has(key))
    if (!page) return undefined
    if (this.#hydrating.size === 0) {
      queueMicrotask(() => {
        this.#forgetHydrated()
      })
    }
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
