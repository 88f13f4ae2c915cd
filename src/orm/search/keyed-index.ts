import { type KeyObject } from 'node:crypto'
import { blindIndexValue, type IndexPlace } from '../../cipher/blind-index'
import { type IndexKeys } from '../../cipher/blind-index/index-keys'
import { type Plaintext } from '../../column/types'

/** What a blind index has in the database: bytes, or hexadecimal digits in a text column. */
export type IndexValue = Buffer | string

/** What is hashed of a column's values, and how the hash is stored. */
export interface Hashing {
  readonly column: { placed(error: unknown): unknown }
  indexed(plaintext: Plaintext): Plaintext
  searched(value: unknown): Plaintext
  stored(hash: Buffer): IndexValue
}

/** A blind index under one key: that of the column, or of the rows with one value of `keyPer`. */
export class KeyedIndex {
  /** The key of the statement that was prepared last; it goes on with it. */
  #key: KeyObject | undefined
  #keys: IndexKeys | undefined

  constructor(
    private readonly index: Hashing,
    private readonly keysOf: () => IndexKeys,
    private readonly place: IndexPlace,
  ) {}

  /** Sees to it that values can be hashed; `undefined` if they can be. Throws what KMS says of the index key. */
  prepare(): Promise<unknown> | undefined {
    if (this.isReady) return undefined
    return this.#source.open(this.place).then(
      (opened) => (this.#key = opened),
      (error: unknown) => {
        throw this.index.column.placed(error)
      },
    )
  }

  /** True if values can be hashed at once. */
  get isReady(): boolean {
    const key = this.#source.now(this.place)
    if (key) this.#key = key
    return key !== undefined
  }

  /** What stands in the column for a serialised value. */
  valueOf(plaintext: Plaintext): IndexValue {
    return this.index.stored(this.hashOf(plaintext))
  }

  /** What stands in the column for what is searched. */
  indexOf(value: unknown): IndexValue {
    return this.index.stored(this.hashOfSearched(value))
  }

  /** The whole hash of a serialised value. */
  hashOf(plaintext: Plaintext): Buffer {
    return blindIndexValue(this.#readyKey(), this.index.indexed(plaintext))
  }

  /** The whole hash of what is searched: a value of the column, or what `from` gives. */
  hashOfSearched(value: unknown): Buffer {
    return blindIndexValue(this.#readyKey(), this.index.searched(value))
  }

  /** What was searched, named by a keyed hash: for keys of caches, which must tell searches apart and no value. */
  nameOf(text: string): string {
    return `search:${blindIndexValue(this.#readyKey(), `typeorm-kms-encrypted search ${text}`).toString('hex')}`
  }

  /** True for the same key, whichever object has it. */
  isLike({ place }: KeyedIndex): boolean {
    return this.place === place || JSON.stringify(this.place) === JSON.stringify(place)
  }

  get #source(): IndexKeys {
    return (this.#keys ??= this.keysOf())
  }

  #readyKey(): KeyObject {
    if (!this.#key) throw new TypeError('The index key is not there yet')
    return this.#key
  }
}
