import { blindIndexKey, blindIndexValue, type IndexPlace } from '../../cipher/blind-index'
import { type IndexRootSource } from '../../cipher/blind-index/index-root'
import { asPlaintext } from '../../cipher/bytes'
import { type DeclaredIndex, DEFAULT_INDEX } from '../../column/search'
import { valueTypes, type Plaintext } from '../../column/types'
import { InvalidValueError, KmsEncryptionError } from '../../errors'
import { type EncryptedColumn } from '../encrypted-column'
import { type ColumnMetadata } from '../typeorm-types'

/** The column whose values are indexed, which is a `BoundColumn`. */
export interface SearchedColumn extends EncryptedColumn {
  readonly metadata: ColumnMetadata
}

/** What a blind index has in the database: bytes, or hexadecimal digits in a text column. */
export type IndexValue = Buffer | string

/** One blind index of an encrypted column: the keyed hash of its values that stands in a column beside it. */
export class BlindIndex {
  #key: Buffer | undefined

  constructor(
    readonly column: SearchedColumn,
    /** The column that holds it. */
    readonly metadata: ColumnMetadata,
    readonly declared: DeclaredIndex,
    private readonly root: IndexRootSource,
    private readonly place: IndexPlace,
  ) {}

  /** True if conditions on the column itself are answered by it. */
  get isOfValue(): boolean {
    return this.declared.name === DEFAULT_INDEX
  }

  /** True if equal indexes mean equal values. */
  get isExact(): boolean {
    return this.declared.normalize === undefined && this.declared.from === undefined
  }

  /** Sees to it that values can be hashed; `undefined` if they can be. Throws what KMS says of the index key. */
  prepare(): Promise<unknown> | undefined {
    if (this.#keyNow()) return undefined
    return this.root.open().catch((error: unknown) => {
      throw this.column.placed(error)
    })
  }

  /** True if values can be hashed at once. */
  get isReady(): boolean {
    return this.#keyNow() !== undefined
  }

  /** The index of a serialised value. */
  valueOf(plaintext: Plaintext): IndexValue {
    return this.#stored(blindIndexValue(this.#readyKey(), this.#indexed(plaintext)))
  }

  /** The index of what is searched: a value of the column, or what `from` gives. */
  indexOf(value: unknown): IndexValue {
    if (!this.declared.from) return this.valueOf(this.column.serialise(value))
    return this.#stored(blindIndexValue(this.#readyKey(), this.#bytesOf(value)))
  }

  /** What was searched, named by a keyed hash: for keys of caches, which must tell searches apart and no value. */
  nameOf(text: string): string {
    return `search:${blindIndexValue(this.#readyKey(), `typeorm-kms-encrypted search ${text}`).toString('hex')}`
  }

  #indexed(plaintext: Plaintext): Plaintext {
    const { normalize, from } = this.declared
    if (!normalize && !from) return plaintext
    const value = this.column.scheme.type.deserialise(asPlaintext(Buffer.from(plaintext)))
    const name = normalize ? 'normalize' : 'from'
    const made = this.#call(name, normalize ?? from, value)
    return normalize ? this.column.serialise(made) : this.#bytesOf(made)
  }

  #call(name: string, make: ((value: unknown) => unknown) | undefined, value: unknown): unknown {
    let made: unknown
    try {
      made = make?.(value)
    } catch {
      // What the function throws may show the value.
      throw this.column.error(InvalidValueError, `search.${name} failed for a value`)
    }
    if (made !== null && made !== undefined) return made
    throw this.column.error(InvalidValueError, `search.${name} gave nothing for a value`)
  }

  #bytesOf(made: unknown): Plaintext {
    const type = typeof made
    const isText = type === 'string' || type === 'number' || type === 'bigint' || type === 'boolean'
    return this.#serialised(made, isText ? type : 'buffer')
  }

  #serialised(made: unknown, type: 'string' | 'number' | 'bigint' | 'boolean' | 'buffer'): Plaintext {
    try {
      return valueTypes[type].serialise(made)
    } catch (error) {
      if (error instanceof KmsEncryptionError) throw this.column.placed(error)
      throw error
    }
  }

  #stored(value: Buffer): IndexValue {
    return this.column.scheme.options.storage === 'text' ? value.toString('hex') : value
  }

  #keyNow(): Buffer | undefined {
    const root = this.root.now
    if (!root) return undefined
    return (this.#key ??= blindIndexKey(root, this.place))
  }

  #readyKey(): Buffer {
    const key = this.#keyNow()
    if (!key) throw new TypeError('The index key is not there yet')
    return key
  }
}
