import { notFound } from './exception'
import { DAY, Key, type KeyRecord } from './key'
import { arnOfAlias, arnOfKey, type Location, parseKeyIdentifier } from './key-identifier'
import { MultiRegion, type Relatives } from './multi-region'

/** An alias, as the key file holds it. Dates are milliseconds since 1970. */
export interface Alias {
  name: string
  targetKeyId: string
  createdAt: number
  updatedAt: number
}

/** All that a KMS holds in one Region, as the key file has it. */
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
  readonly #relatives: Relatives<Key>
  readonly #write: () => void

  /** `relatives`: the Regions of the account. `write` keeps what has changed. */
  constructor(
    location: Location,
    relatives: Relatives<Key>,
    stored: StoreRecord | undefined,
    write: () => void,
  ) {
    this.location = location
    this.#relatives = relatives
    this.#write = write
    for (const record of stored?.keys ?? []) this.add(this.#restored(record))
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

  /** The multi-Region key of this id and primary Region, as it is in this Region. */
  multiRegion(keyId: string, primaryRegion: string): MultiRegion<Key> {
    return new MultiRegion(keyId, this.location.region, primaryRegion, this.#relatives)
  }

  /** The key that a ciphertext refers to, if it is still here. */
  byReference(digits: string): Key | undefined {
    return this.byId(`mrk-${digits}`) ?? this.byId(uuid(digits))
  }

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
        key.regions?.primary?.replicasDeleted(key.deletionDate)
        changed = true
      }
      const { rotation } = key
      while (rotation && !key.isReplica && key.state === 'Enabled' && rotation.next <= now) {
        key.rotate(rotation.next, 'AUTOMATIC')
        rotation.next += rotation.periodInDays * DAY
        changed = true
      }
    }
    if (changed) this.commit()
  }

  /** Writes the key file, where there is one. */
  commit(): void {
    this.#write()
  }

  get record(): StoreRecord {
    return { keys: this.keys.map((key) => key.toRecord()), aliases: this.aliases }
  }

  #restored(record: KeyRecord): Key {
    const { keyId, primaryRegion } = record
    return new Key(record, primaryRegion === undefined ? undefined : this.multiRegion(keyId, primaryRegion))
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

function uuid(digits: string): string {
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
