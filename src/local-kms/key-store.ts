import { notFound } from './exception'
import { DAY, Key, type KeyRecord } from './key'
import { arnOfAlias, arnOfKey, type Location, parseKeyIdentifier } from './key-identifier'

/** An alias, as the key file holds it. Dates are milliseconds since 1970. */
export interface Alias {
  name: string
  targetKeyId: string
  createdAt: number
  updatedAt: number
}

/** All that a KMS holds, as the key file has it. */
export interface StoreRecord {
  keys: KeyRecord[]
  aliases: Alias[]
}

/**
 * The keys and aliases of one account in one region.
 *
 * Operations that change something end with {@link KeyStore.commit}, which writes the key file if there is one.
 */
export class KeyStore {
  readonly location: Location
  readonly #keys = new Map<string, Key>()
  readonly #aliases = new Map<string, Alias>()
  readonly #write: ((record: StoreRecord) => void) | undefined

  constructor(location: Location, stored?: StoreRecord, write?: (record: StoreRecord) => void) {
    this.location = location
    this.#write = write
    for (const record of stored?.keys ?? []) this.#keys.set(record.keyId, new Key(record))
    for (const alias of stored?.aliases ?? []) this.#aliases.set(alias.name, { ...alias })
  }

  get keys(): Key[] {
    return [...this.#keys.values()]
  }

  get aliases(): Alias[] {
    return [...this.#aliases.values()]
  }

  add(key: Key): void {
    this.#keys.set(key.keyId, key)
  }

  alias(name: string): Alias | undefined {
    return this.#aliases.get(name)
  }

  setAlias(alias: Alias): void {
    this.#aliases.set(alias.name, alias)
  }

  removeAlias(name: string): void {
    this.#aliases.delete(name)
  }

  /** The key that a ciphertext refers to, if it is still here. */
  byId(keyId: string): Key | undefined {
    return this.#keys.get(keyId)
  }

  /** The key for a `KeyId` that may be a key id, key ARN, alias name or alias ARN. */
  find(identifier: string, operation: string): Key {
    const parsed = parseKeyIdentifier(identifier, this.location, operation)
    if ('key' in parsed) return this.#require(parsed.key)
    const alias = this.#aliases.get(parsed.alias)
    if (!alias) throw notFound(`Alias ${arnOfAlias(this.location, parsed.alias)} is not found.`)
    return this.#require(alias.targetKeyId)
  }

  /** The key for a `KeyId` that may be a key id or key ARN only. */
  findKey(identifier: string, operation: string): Key {
    const parsed = parseKeyIdentifier(identifier, this.location, operation)
    if ('alias' in parsed) throw notFound(`Invalid keyId '${identifier}'`)
    return this.#require(parsed.key)
  }

  /** Lets time act: deletes keys whose date has come, with their aliases, and rotates those that are due. */
  settle(now: number): void {
    let changed = false
    for (const key of this.#keys.values()) {
      if (key.deletionDate !== undefined && key.deletionDate <= now) {
        this.#delete(key)
        changed = true
      }
      const { rotation } = key
      while (rotation && key.state === 'Enabled' && rotation.next <= now) {
        key.rotate(rotation.next, 'AUTOMATIC')
        rotation.next += rotation.periodInDays * DAY
        changed = true
      }
    }
    if (changed) this.commit()
  }

  /** Writes the key file, where there is one. */
  commit(): void {
    this.#write?.({ keys: this.keys.map((key) => key.toRecord()), aliases: this.aliases })
  }

  #require(keyId: string): Key {
    const key = this.#keys.get(keyId)
    if (!key) throw notFound(`Key '${arnOfKey(this.location, keyId)}' does not exist`)
    return key
  }

  #delete(key: Key): void {
    key.destroy()
    this.#keys.delete(key.keyId)
    for (const alias of this.aliases) {
      if (alias.targetKeyId === key.keyId) this.#aliases.delete(alias.name)
    }
  }
}
