import { type DataKey } from '../cipher/data-key'
import { KmsEncryptionError } from '../errors'
import { type BoundColumn } from './bound-column'
import { normaliseStored } from './stored-value'
import { type Stored } from './value-opener'

type Row = Record<string, unknown>

/**
 * What became of a stored value: the value itself if it is immutable, or else the plaintext that each who asks gets
 * a value of their own from; or why there is none.
 */
export type Opened = object | string | number | bigint | boolean

/** Milliseconds for which a page waits for its hydration, which may first load relation ids. */
const LIFETIME = 1_000

/** Most values that are opened before hydration asks for them: by then they are in the processor's cache. */
const MAX_AHEAD = 64

/**
 * What hydration finds a value by: a Buffer of the driver by itself, a text by its characters. A Buffer of the query
 * result cache is made anew each time its JSON is read, so its bytes stand for it.
 */
export function keyOf(value: unknown, stored: Stored): Stored {
  return typeof stored === 'string' || value instanceof Uint8Array ? stored : stored.toString('base64')
}

/** The values of one encrypted column on one page of rows, in their order. */
export class ColumnPage {
  readonly #keys: Stored[] = []
  readonly #stored: Stored[] = []
  readonly #bytes: Buffer[] = []
  /** `null` for those that KMS must be asked for, `undefined` for those that were not tried. */
  readonly #opened: (Opened | null | undefined)[] = []
  #places: ReadonlyMap<Stored, number> | undefined
  /** The place that hydration will ask for next, if it takes every row. */
  #next = 0
  /** How many values were opened when hydration asked for one. */
  #ahead = 0

  constructor(
    /** The column that opens them. */
    readonly column: BoundColumn,
    /** Of the column in the rows. */
    name: string,
    rows: readonly Row[],
  ) {
    for (const row of rows) {
      const value = row[name]
      if (typeof value !== 'string' && (typeof value !== 'object' || value === null)) continue
      const stored = normaliseStored(value)
      this.#keys.push(keyOf(value, stored))
      this.#stored.push(stored)
      this.#bytes.push(column.opener.bytesOf(stored))
    }
  }

  /** Number of values. */
  get length(): number {
    return this.#bytes.length
  }

  /** True if KMS must be asked for one of the values. */
  get needsKms(): boolean {
    return this.column.opener.needKms(this.#bytes)
  }

  /** The bytes of a stored value. */
  bytesAt(place: number): Buffer {
    return this.#bytes[place]!
  }

  /** Opens a value if that needs no call to KMS, and returns false if it does. `dataKey`: what most likely opens it. */
  openNow(place: number, dataKey?: DataKey): boolean {
    this.#openNow(place, dataKey)
    return this.#opened[place] !== null
  }

  /** Opens a value, and asks KMS if need be. Returns why it could not be opened, if so. */
  async open(place: number): Promise<KmsEncryptionError | undefined> {
    try {
      const plaintext = await this.column.opener.open(this.#stored[place]!, this.#bytes[place])
      this.#opened[place] = this.#kept(plaintext)
    } catch (error) {
      return this.fail(place, asKmsEncryptionError(error))
    }
    return undefined
  }

  /** Keeps why a value could not be opened. */
  fail(place: number, failure: KmsEncryptionError): KmsEncryptionError {
    this.#opened[place] = failure
    return failure
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
    const isNext = this.isNext(key)
    const place = isNext ? this.#next : this.#find(key)
    if (place === undefined) return undefined
    this.#next = place + 1
    if (this.#opened[place] === undefined) this.#openAhead(place, isNext)
    // What one declaration of a column takes, another may not (`previous`, `acceptPlaintext`).
    return scheme === this.column.scheme ? (this.#opened[place] ?? undefined) : undefined
  }

  /** Opens a value and, as long as hydration takes every row, more and more of those that follow. */
  #openAhead(place: number, isNext: boolean): void {
    this.#ahead = isNext ? Math.min(this.#ahead * 2 + 1, MAX_AHEAD) : 1
    const end = Math.min(place + this.#ahead, this.length)
    const dataKey = this.column.opener.dataKeyAtHand()
    for (let at = place; at < end; at++) this.#openNow(at, dataKey)
  }

  #openNow(place: number, dataKey: DataKey | undefined): void {
    if (this.#opened[place]) return
    try {
      const plaintext = this.column.opener.openNow(this.#stored[place]!, this.#bytes[place], dataKey)
      this.#opened[place] = plaintext ? this.#kept(plaintext) : null
    } catch (error) {
      this.fail(place, asKmsEncryptionError(error))
    }
  }

  #kept(plaintext: Buffer): Opened {
    const { type } = this.column.scheme
    return type.isImmutable ? (type.deserialise(plaintext) as Opened) : plaintext
  }

  #find(key: Stored): number | undefined {
    this.#places ??= new Map(this.#keys.map((each, place) => [each, place]))
    return this.#places.get(key)
  }
}

function asKmsEncryptionError(error: unknown): KmsEncryptionError {
  if (error instanceof KmsEncryptionError) return error
  throw error
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

  /** Adds a page for which KMS was asked. */
  add(page: ColumnPage): void {
    this.#pages.set(page, performance.now())
    this.#sweepLater()
  }

  /** Adds a page that is of use only if it is hydrated in this turn of the event loop. */
  addForThisTurn(page: ColumnPage): void {
    this.#pages.set(page, performance.now())
    setImmediate(() => this.#pages.delete(page))
  }

  /** What became of a value, or `undefined` if no page has it: then it needed no KMS, or comes too late. */
  get(key: Stored, column: BoundColumn): Opened | undefined {
    const page = this.#last?.isNext(key) ? this.#last : this.#pageWith(key)
    return page?.get(key, column)
  }

  #pageWith(key: Stored): ColumnPage | undefined {
    const page = pageOf(key, [...this.#hydrating]) ?? pageOf(key, [...this.#pages.keys()])
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

/** The page with a value, if there is one: that whose turn it is rather than another. */
function pageOf(key: Stored, pages: readonly ColumnPage[]): ColumnPage | undefined {
  return pages.find((page) => page.isNext(key)) ?? pages.find((page) => page.has(key))
}
