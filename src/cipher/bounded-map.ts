/** A map of at most `max` entries: the oldest leaves for the next one. */
export class BoundedMap<Key, Value> extends Map<Key, Value> {
  constructor(private readonly max: number) {
    super()
  }

  override set(key: Key, value: Value): this {
    if (this.size >= this.max && !this.has(key)) {
      const [oldest] = this.keys()
      if (oldest !== undefined) this.delete(oldest)
    }
    return super.set(key, value)
  }
}
