import { type PlaintextBytes } from '../../cipher/bytes'
import { type Scheme } from '../../column/scheme'
import { KmsEncryptionError } from '../../errors'
import { isSameRecipe, type RowRecipe } from '../recipe'
import { type Stored } from './value-opener'

/** The plaintext of a stored value, or why there is none. */
export type Opened = PlaintextBytes | KmsEncryptionError

/** In place of a value that is not opened: it is compared, and counts as different. */
export const UNOPENED = Symbol('unopened')

/** A stored value that was opened before its hydration. */
export interface OpenedValue {
  /** The declaration that opened it: what one takes, another may refuse (`previous`, `acceptPlaintext`). */
  readonly scheme: Scheme
  /** Of its row; `undefined` if the row does not tell. */
  readonly recipe: RowRecipe | undefined
  /** `undefined` if nothing became of it. */
  readonly opened: Opened | typeof UNOPENED | undefined
}

/** A result whose values wait for their hydration. */
export interface WaitingResult {
  /** `cell` names the column. `scheme`: of the declaration that asks, where that matters. */
  get(cell: string, key: ValueKey, scheme?: Scheme): OpenedValue | undefined
}

/** Milliseconds for which values wait at least, and at most twice as long. TypeORM may load relation ids between a query and its hydration. */
const LIFETIME = 10_000

/**
 * What hydration knows a value by. A Buffer of the driver, or a `String` object, is itself: it stands in one row and
 * column only. A text is its characters, so that equal ones of one column must have the same recipe. A Buffer from
 * the query result cache is made anew from JSON each time, and known by its bytes.
 */
export type ValueKey = object | string

export function keyOf(value: unknown, stored: Stored): ValueKey {
  if (value instanceof Uint8Array || value instanceof String) return value
  return typeof stored === 'string' ? stored : stored.toString('base64')
}

/** The opened values of one result. */
export class OpenedResult implements WaitingResult {
  readonly #byObject = new Map<object, OpenedValue>()
  readonly #byText = new Map<string, Map<string, OpenedValue>>()

  /** `cell` names the column. */
  set(cell: string, key: ValueKey, value: OpenedValue): void {
    if (typeof key === 'object') {
      this.#byObject.set(key, value)
      return
    }
    let texts = this.#byText.get(cell)
    if (!texts) this.#byText.set(cell, (texts = new Map<string, OpenedValue>()))
    texts.set(key, value)
  }

  get(cell: string, key: ValueKey): OpenedValue | undefined {
    return typeof key === 'object' ? this.#byObject.get(key) : this.#byText.get(cell)?.get(key)
  }
}

/**
 * The results of a DataSource whose values wait for their hydration, which asks for them one by one, cannot wait for
 * KMS, and does not say in which row a value stands.
 */
export class OpenedResults {
  readonly #waiting = new Set<WaitingResult>()
  /** Those that were waiting when the timer was set. */
  #old: readonly WaitingResult[] = []
  #timer: NodeJS.Timeout | undefined
  /** Those that are being hydrated: that is synchronous, and over before anything else runs. */
  readonly #hydrating = new Set<WaitingResult>()

  /** True if no value is waiting: then none need be looked for. */
  get isEmpty(): boolean {
    return this.#waiting.size === 0
  }

  add(result: WaitingResult): void {
    this.#waiting.add(result)
    this.#schedule()
  }

  /** One timer for all: nearly each is hydrated at once. */
  #schedule(): void {
    if (this.#timer) return
    this.#timer = setTimeout(() => {
      for (const result of this.#old) this.#waiting.delete(result)
      this.#old = [...this.#waiting]
      this.#timer = undefined
      if (this.#old.length > 0) this.#schedule()
    }, LIFETIME).unref()
  }

  /** What became of a value. Of equal texts in several results one that opened is as good as another. */
  find(cell: string, key: ValueKey, scheme: Scheme): OpenedValue['opened'] | undefined {
    let failure: Opened | undefined
    for (const result of this.#waiting) {
      const found = result.get(cell, key, scheme)
      if (!found) continue
      if (typeof key === 'object') this.#forgetAfterHydration(result)
      if (found.scheme !== scheme) continue
      if (!(found.opened instanceof KmsEncryptionError)) return found.opened
      failure ??= found.opened
    }
    return failure
  }

  /** True if an equal text of the column waits under another recipe: hydration could not tell the two apart. */
  isAmbiguous(cell: string, key: ValueKey, recipe: RowRecipe | undefined): boolean {
    if (typeof key === 'object') return false
    for (const result of this.#waiting) {
      const found = result.get(cell, key)
      if (found && !isAlike(found.recipe, recipe)) return true
    }
    return false
  }

  #forgetAfterHydration(result: WaitingResult): void {
    if (this.#hydrating.has(result)) return
    if (this.#hydrating.size === 0)
      queueMicrotask(() => {
        this.#forgetHydrated()
      })
    this.#hydrating.add(result)
  }

  #forgetHydrated(): void {
    for (const result of this.#hydrating) {
      this.#waiting.delete(result)
      this.#hydrating.delete(result)
    }
  }
}

/** True for the recipes of two rows whose equal ciphertexts open alike. */
export function isAlike(a: RowRecipe | undefined, b: RowRecipe | undefined): boolean {
  return a !== undefined && b !== undefined && isSameRecipe(a, b)
}
