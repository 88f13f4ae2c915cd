import { BoundedMap } from '../bounded-map'
import { DataKeyMissingError, DataKeyNotFoundError, ForgottenError } from '../../errors'
import { type Moment, now, since } from './moment'
import { type DataKeyStore, type StoredDataKey } from './store'

/** Ids in one query. */
const BATCH = 500
/** Milliseconds for which what was found serves others: those of the same page. */
const KEPT = 1_000
/** Milliseconds for which a data key that is not there may be on its way, as in a restore. */
const ON_ITS_WAY = 60_000
/** Missing ids remembered; forged ones are as many as the forger likes. */
const MAX_MISSING = 2_000

/** A row of the store, and when the query that found it was sent. */
export interface Found {
  readonly row: StoredDataKey
  readonly seenAt: Moment
}

/** Looks data keys up by their ids: one query for all that are asked for in the same turn. */
export class KeyLookup {
  readonly #store: DataKeyStore
  readonly #found = new Map<string, Promise<Found | undefined>>()
  #batch: { readonly ids: Buffer[]; readonly answer: Promise<Map<string, Found>> } | undefined
  readonly #missing = new BoundedMap<string, Moment>(MAX_MISSING)

  constructor(store: DataKeyStore) {
    this.#store = store
  }

  /** Looks them up together, for those who will ask for them next. */
  announce(ids: Iterable<Buffer>): void {
    for (const id of ids) this.#lookUp(id).catch(() => undefined)
  }

  /** Throws `DataKeyNotFoundError`, after a minute `DataKeyMissingError`; `ForgottenError` if it was destroyed. */
  async find(id: Buffer): Promise<Found> {
    const found = await this.#lookUp(id)
    const name = id.toString('latin1')
    if (!found) throw this.#missingError(id, name)
    this.#missing.delete(name)
    if (found.row.destroyedAt || !found.row.encrypted) throw forgotten(found.row)
    return found
  }

  /** True for the id of a data key that is in the store, destroyed or not. Where there is no store, there is none. */
  async has(id: Buffer): Promise<boolean> {
    try {
      return (await this.#lookUp(id)) !== undefined
    } catch (error) {
      if (error instanceof DataKeyMissingError) return false
      throw error
    }
  }

  /** What was found is not used again. */
  clear(): void {
    this.#found.clear()
    this.#missing.clear()
  }

  #lookUp(id: Buffer): Promise<Found | undefined> {
    const name = id.toString('latin1')
    let found = this.#found.get(name)
    if (!found) {
      found = this.#inBatch(id).then((rows) => rows.get(name))
      this.#found.set(name, found)
      found.catch(() => this.#found.delete(name))
    }
    return found
  }

  #inBatch(id: Buffer): Promise<Map<string, Found>> {
    if (this.#batch && this.#batch.ids.length < BATCH) {
      this.#batch.ids.push(Buffer.from(id))
      return this.#batch.answer
    }
    const ids = [Buffer.from(id)]
    const batch = { ids, answer: this.#ask(ids) }
    this.#batch = batch
    return batch.answer
  }

  async #ask(ids: readonly Buffer[]): Promise<Map<string, Found>> {
    // Those who ask in the same turn join.
    await Promise.resolve()
    this.#batch = undefined
    const seenAt = now()
    try {
      const rows = await this.#store.find(ids)
      return new Map(rows.map((row) => [row.id.toString('latin1'), { row, seenAt }]))
    } finally {
      const names = ids.map((id) => id.toString('latin1'))
      setTimeout(() => {
        for (const name of names) this.#found.delete(name)
      }, KEPT).unref()
    }
  }

  #missingError(id: Buffer, name: string): Error {
    let first = this.#missing.get(name)
    if (!first) {
      first = now()
      this.#missing.set(name, first)
    }
    const which = `the data key ${id.toString('hex')} that the ciphertext names is not in ${this.#store.name}`
    return since(first) > ON_ITS_WAY
      ? new DataKeyMissingError(
          `${which}. Restore that table from a backup: it must be as new as the values. If there never was such a key, the value was forged, or is plaintext of bytes that only begins like a ciphertext.`,
        )
      : new DataKeyNotFoundError(
          `${which}. If a restore is under way, repeat the operation when it is done; in a minute this counts as lost.`,
        )
  }
}

function forgotten({ id, destroyedAt }: StoredDataKey): ForgottenError {
  const when = destroyedAt ? ` on ${destroyedAt.toISOString()}` : ''
  return new ForgottenError(
    `the data key ${id.toString('hex')} of the value was destroyed${when}: the value was forgotten on purpose, and nothing brings it back but a backup of the key table.`,
  )
}
