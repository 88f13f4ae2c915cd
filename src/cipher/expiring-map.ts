export interface ExpiringMapOptions<Value> {
  /** Entries at once. One more, and the one that expires first leaves. */
  max: number
  /** Milliseconds that an entry stays. */
  lifetime: number
  /** Called once for each value that leaves, whatever for. */
  left?: (value: Value) => void
}

/**
 * A bounded map whose entries all live equally long, and leave when their time is over and not when they are next asked
 * for: a data key must not stay in memory because nobody asks.
 */
export class ExpiringMap<Value> {
  readonly #max: number
  readonly #lifetime: number
  readonly #left: ((value: Value) => void) | undefined
  /** In the order in which they expire, which is that in which they were set. */
  readonly #entries = new Map<string, { readonly value: Value; readonly expiresAt: number }>()
  #timer: NodeJS.Timeout | undefined

  constructor({ max, lifetime, left }: ExpiringMapOptions<Value>) {
    this.#max = max
    this.#lifetime = lifetime
    this.#left = left
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key)?.value
  }

  /** From now on it has its whole lifetime. */
  set(key: string, value: Value): void {
    const before = this.#entries.get(key)
    this.#entries.delete(key)
    if (before && before.value !== value) this.#left?.(before.value)
    const [oldest] = this.#entries.keys()
    if (this.#entries.size >= this.#max && oldest !== undefined) this.delete(oldest)
    this.#entries.set(key, { value, expiresAt: performance.now() + this.#lifetime })
    this.#schedule()
  }

  delete(key: string): void {
    const entry = this.#entries.get(key)
    if (!entry) return
    this.#entries.delete(key)
    this.#left?.(entry.value)
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const key of [...this.#entries.keys()]) this.delete(key)
  }

  /** One timer, for the entry that expires first. */
  #schedule(): void {
    const [first] = this.#entries.values()
    if (this.#timer || !first) return
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        this.#expire()
        this.#schedule()
      },
      Math.max(first.expiresAt - performance.now(), 1),
    )
    this.#timer.unref()
  }

  #expire(): void {
    const now = performance.now()
    for (const [key, { expiresAt }] of this.#entries) {
      if (expiresAt > now) return
      this.delete(key)
    }
  }
}
