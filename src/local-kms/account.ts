import { type Key } from './key'
import { type Location } from './key-identifier'
import { KeyStore, type StoreRecord } from './key-store'
import { type Relatives } from './multi-region'

/** All that a KMS holds, as the key file has it: what is in its own Region, and in its other Regions by their names. */
export interface AccountRecord extends StoreRecord {
  regions?: Readonly<Record<string, StoreRecord>>
}

/** The Regions of one account: the KMS's own, and those that were named beside it. */
export class Account implements Relatives<Key> {
  readonly location: Location
  readonly #stores = new Map<string, KeyStore>()
  readonly #own: KeyStore

  constructor(
    location: Location,
    otherRegions: readonly string[],
    stored?: AccountRecord,
    write?: (record: AccountRecord) => void,
  ) {
    this.location = location
    const commit = (): void => write?.(this.#record)
    const open = (region: string, record?: StoreRecord): KeyStore => {
      const store = new KeyStore({ ...location, region }, this, record, commit)
      this.#stores.set(region, store)
      return store
    }
    this.#own = open(location.region, stored)
    const others = new Set([...otherRegions, ...Object.keys(stored?.regions ?? {})])
    for (const region of others) if (region !== location.region) open(region, stored?.regions?.[region])
  }

  get regions(): readonly string[] {
    return [...this.#stores.keys()]
  }

  /** The store of a Region; that of the KMS's own for a Region that it was not told of. */
  storeOf(region: string | undefined): KeyStore {
    return (region === undefined ? undefined : this.#stores.get(region)) ?? this.#own
  }

  /** The store of a Region, if it is one of the account's. */
  storeIn(region: string): KeyStore | undefined {
    return this.#stores.get(region)
  }

  key(region: string, keyId: string): Key | undefined {
    return this.#stores.get(region)?.byId(keyId)
  }

  /** Twice: a primary key may be due once its last replica is gone. */
  settle(now: number): void {
    for (const store of [...this.#stores.values(), ...this.#stores.values()]) store.settle(now)
  }

  get #record(): AccountRecord {
    const others = [...this.#stores].filter(([, store]) => store !== this.#own)
    if (others.length === 0) return this.#own.record
    const regions = Object.fromEntries(others.map(([region, store]) => [region, store.record]))
    return { ...this.#own.record, regions }
  }
}
