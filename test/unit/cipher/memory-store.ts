import {
  type DataKeyPurpose,
  type DataKeyStore,
  type NewDataKey,
  type StoredDataKey,
} from '../../../src/cipher/data-keys/store'

/** A key table in memory, which several ciphers may share as processes share a database. */
export class MemoryStore implements DataKeyStore {
  readonly name = 'memory'
  isTentative = false
  rows: StoredDataKey[] = []
  /** Queries by id. */
  lookups = 0
  /** Queries for those that may seal. */
  searches = 0

  find(ids: readonly Buffer[]): Promise<readonly StoredDataKey[]> {
    this.lookups++
    return Promise.resolve(this.rows.filter((row) => ids.some((id) => row.id.equals(id))))
  }

  current(purpose: DataKeyPurpose, contextHash: Buffer): Promise<readonly StoredDataKey[]> {
    this.searches++
    return Promise.resolve(this.#newestFirst(purpose, contextHash))
  }

  add(key: NewDataKey): Promise<void> {
    this.rows.push({ ...key, retiredAt: undefined, destroyAt: undefined, destroyedAt: undefined })
    return Promise.resolve()
  }

  async addFirst(key: NewDataKey): Promise<StoredDataKey> {
    if (this.#newestFirst(key.purpose, key.contextHash).length === 0) await this.add(key)
    return this.#newestFirst(key.purpose, key.contextHash).at(-1)!
  }

  /** Changes all rows. */
  change(values: Partial<StoredDataKey>): void {
    this.rows = this.rows.map((row) => ({ ...row, ...values }))
  }

  #newestFirst(purpose: DataKeyPurpose, contextHash: Buffer): StoredDataKey[] {
    return this.rows
      .filter(
        (row) =>
          row.purpose === purpose &&
          row.contextHash.equals(contextHash) &&
          row.encrypted &&
          !row.retiredAt &&
          !row.destroyAt,
      )
      .sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime())
  }
}
