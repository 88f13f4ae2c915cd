import { outsideOfContexts } from '../../access'

/** When a data key is fetched anew, in parts of its life; keys that were made together are spread over this span. */
const FIRST = 0.75
const SPREAD = 0.1
/** When it is tried once more, should that fail. */
const SECOND = 0.92
/** A key is in use if it was used in this last part of its life so far, which is less than what it took to get here. */
const RECENT = 0.5

/**
 * Fetches data keys anew in the background before they expire, as long as they are in use, so that no request waits
 * for KMS. A failure harms nothing: the key is used until it expires, and then whoever needs it asks.
 */
export class Refresh<Key extends { readonly isDestroyed: boolean }> {
  readonly #maxAge: number
  readonly #fetch: (key: Key, since: number) => Promise<unknown>
  readonly #timers = new Map<Key, NodeJS.Timeout>()

  /** `fetch` fetches what a key was used for since then, by `performance.now()`. */
  constructor(maxAge: number, fetch: (key: Key, since: number) => Promise<unknown>) {
    this.#maxAge = maxAge
    this.#fetch = fetch
  }

  /** For a key that was just fetched. */
  schedule(key: Key): void {
    this.#at(FIRST + SPREAD * Math.random(), 0, key, () =>
      this.#refresh(key).catch(() => {
        this.#at(SECOND, FIRST + SPREAD, key, () => this.#refresh(key).catch(() => undefined))
      }),
    )
  }

  cancel(key: Key): void {
    clearTimeout(this.#timers.get(key))
    this.#timers.delete(key)
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }

  #at(part: number, now: number, key: Key, action: () => unknown): void {
    if (key.isDestroyed) return
    this.cancel(key)
    const due = (): void => {
      this.#timers.delete(key)
      action()
    }
    const timer = outsideOfContexts(() => setTimeout(due, this.#maxAge * (part - now)))
    timer.unref()
    this.#timers.set(key, timer)
  }

  async #refresh(key: Key): Promise<void> {
    await this.#fetch(key, performance.now() - this.#maxAge * RECENT)
  }
}
