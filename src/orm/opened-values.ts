import { type KmsEncryptionError } from '../errors'
import { type Primitive } from '../column/types'
import { type BoundColumn } from './bound-column'
import { type Stored } from './value-opener'

/** What became of a stored value: its plaintext, the value itself where that cannot change, or why there is none. */
export type Opened = Buffer | Primitive | KmsEncryptionError

/**
 * What an opened value is found by: a Buffer of the driver by itself, a text by its characters. A Buffer of the query
 * result cache is made anew each time its JSON is read, so its bytes stand for it.
 */
export function openedAs(stored: unknown, raw: Stored): Stored {
  return typeof raw === 'string' || stored instanceof Uint8Array ? raw : raw.toString('base64')
}

/** Milliseconds for which a page is kept that hydration does not ask for: it may first load relation ids. */
const LIFETIME = 1_000

/** What became of the values of one column on one page of rows. */
export class OpenedPage {
  /** When hydration could first ask for it, by `performance.now()`. */
  addedAt = 0
  readonly #keys: Stored[] = []
  readonly #opened: Opened[] = []
  #next = 0
  #places: ReadonlyMap<Stored, number> | undefined

  constructor(readonly column: BoundColumn) {}

  add(key: Stored, opened: Opened): void {
    this.#keys.push(key)
    this.#opened.push(opened)
  }

  /** True if it was asked for its last row. */
  get isDone(): boolean {
    return this.#next === this.#keys.length
  }

  /** Hydration mostly takes the rows in their order, and looking there first costs far less than a map does. */
  get(key: Stored): Opened | undefined {
    if (this.#keys[this.#next] === key) return this.#opened[this.#next++]
    this.#places ??= new Map(this.#keys.map((each, place) => [each, place]))
    const place = this.#places.get(key)
    if (place === undefined) return undefined
    this.#next = place + 1
    return this.#opened[place]
  }
}

/**
 * Opened pages between the query that brought their rows and TypeORM's hydration, which asks for the values one by
 * one and cannot wait. Whoever comes later decrypts anew.
 *
 * To decrypt while hydrating would not be quicker, and would fail where a data key reaches its age, or has to make
 * room for another, after the page was looked through.
 */
export class OpenedValues {
  #pages: OpenedPage[] = []
  #isSweepDue = false

  add(page: OpenedPage): void {
    this.#pages = this.#pages.filter(({ isDone }) => !isDone)
    page.addedAt = performance.now()
    this.#pages.push(page)
    this.#sweepLater()
  }

  get(column: BoundColumn, key: Stored): Opened | undefined {
    for (let index = this.#pages.length - 1; index >= 0; index--) {
      const page = this.#pages[index]!
      const opened = page.column.binding === column.binding ? page.get(key) : undefined
      if (opened !== undefined && isValid(opened, page.column, column)) return opened
    }
    return undefined
  }

  #sweepLater(): void {
    if (this.#isSweepDue) return
    this.#isSweepDue = true
    const sweep = (): void => {
      this.#isSweepDue = false
      const oldest = performance.now() - LIFETIME
      this.#pages = this.#pages.filter(({ addedAt }) => addedAt > oldest)
      if (this.#pages.length > 0) this.#sweepLater()
    }
    setTimeout(sweep, LIFETIME).unref()
  }
}

/** What one declaration of a column could not open, another may (`previous`, `acceptPlaintext`). */
function isValid(opened: Opened, openedBy: BoundColumn, wantedBy: BoundColumn): boolean {
  return openedBy.scheme === wantedBy.scheme || Buffer.isBuffer(opened)
}
