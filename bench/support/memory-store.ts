import { type DataKeyStore, type NewDataKey, type StoredDataKey } from '../../src/cipher/data-keys/store'

/** A store in memory. */
export class MemoryStore implements DataKeyStore {
  readonly name = 'memory'
  readonly isTentative = false
  readonly #rows: StoredDataKey[] = []

  find(): Promise<readonly StoredDataKey[]> {
    return Promise.resolve(this.#rows)
  }
  current(): Promise<readonly StoredDataKey[]> {
    return Promise.resolve(this.#rows)
  }
  add(key: NewDataKey): Promise<void> {
    this.#rows.push({ ...key, retiredAt: undefined, destroyAt: undefined, destroyedAt: undefined })
    return Promise.resolve()
  }
  async addFirst(key: NewDataKey): Promise<StoredDataKey> {
    await this.add(key)
    return this.#rows[0]!
  }
}
