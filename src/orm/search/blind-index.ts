import { BoundedMap } from '../../cipher/bounded-map'
import { type IndexKeys } from '../../cipher/blind-index/index-keys'
import { firstBits, INDEX_LENGTH, joinedValues } from '../../cipher/blind-index'
import { asPlaintext } from '../../cipher/bytes'
import { type EncryptionContext } from '../../cipher/context'
import { type DeclaredIndex, DEFAULT_INDEX } from '../../column/search'
import { valueTypes, type Plaintext } from '../../column/types'
import { InvalidValueError, KmsEncryptionError } from '../../errors'
import { type EncryptedColumn } from '../encrypted-column'
import { type RowContext, type RowValues } from '../recipe'
import { type ColumnMetadata } from '../typeorm-types'
import { type Hashing, type IndexValue, KeyedIndex } from './keyed-index'

/** The column whose values are indexed, which is a `BoundColumn`. */
export interface SearchedColumn extends EncryptedColumn {
  readonly metadata: ColumnMetadata
}

/** Indexes by the values of `keyPer` that are remembered. */
const MAX_KEYED = 1_000

/**
 * One blind index of an encrypted column: the keyed hash of its values that stands in a column beside it; or of its
 * values and those of other columns together.
 */
export class BlindIndex implements Hashing {
  /** The index itself, where all rows have one key; `undefined` with `keyPer`. */
  readonly constant: KeyedIndex | undefined
  /** The columns whose values are hashed together: itself, and those of `with`. */
  readonly members: readonly SearchedColumn[]
  readonly #keyed = new BoundedMap<string, KeyedIndex>(MAX_KEYED)

  constructor(
    readonly column: SearchedColumn,
    /** The column that holds it. */
    readonly metadata: ColumnMetadata,
    readonly declared: DeclaredIndex,
    /** Where its keys come from, for each encryption context. */
    private readonly keysOf: (context: EncryptionContext) => IndexKeys,
    private readonly place: { table: string; column: string; index: string },
    isKeyed: boolean,
    /** The index key that the options name. Else roots stand in the key table. */
    readonly given: IndexKeys | undefined,
    others: readonly SearchedColumn[] = [],
  ) {
    this.members = [column, ...others]
    if (!isKeyed) this.constant = new KeyedIndex(this, () => keysOf(this.#context.fixed), place)
  }

  /** True if conditions on the column itself are answered by it. */
  get isOfValue(): boolean {
    return this.declared.name === DEFAULT_INDEX
  }

  /** True if equal indexes mean equal values. */
  get isExact(): boolean {
    const { normalize, from, bits } = this.declared
    return normalize === undefined && from === undefined && bits === undefined
  }

  /** True if it has some bits of the hash, which other values may share. */
  get isTruncated(): boolean {
    return this.declared.bits !== undefined
  }

  get isCompound(): boolean {
    return this.members.length > 1
  }

  /** What the key depends on: pairs of `keyPer`. */
  get keyedBy(): RowContext['perRow'] {
    return this.constant ? [] : this.#context.perRow
  }

  /** The index under the key of a row. Throws `RowUnknownError`. */
  of(row: RowValues): KeyedIndex {
    if (this.constant) return this.constant
    return this.under(
      Object.fromEntries(this.keyedBy.map(({ name, column }) => [name, column.textOf(row(column.name))])),
    )
  }

  /** The index under the key of an encryption context of the column. */
  under(context: EncryptionContext): KeyedIndex {
    if (this.constant) return this.constant
    const pairs = Object.fromEntries(this.keyedBy.map(({ name }) => [name, context[name] ?? '']))
    const id = JSON.stringify(Object.values(pairs))
    let keyed = this.#keyed.get(id)
    if (!keyed) {
      const all = { ...this.#context.fixed, ...pairs }
      keyed = new KeyedIndex(this, () => this.keysOf(all), { ...this.place, keyPer: pairs })
      this.#keyed.set(id, keyed)
    }
    return keyed
  }

  /** What is hashed of the stored values of a row, one for each member, after they were opened. */
  hashed(plaintexts: readonly Buffer[]): Plaintext {
    return this.joined(this.members.map((_, at) => this.canonicalOf(at, plaintexts[at] ?? Buffer.alloc(0))))
  }

  /** A stored value of a member, after it was opened, as `save` would have serialised it. */
  canonicalOf(member: number, plaintext: Buffer): Plaintext {
    return canonicalOf(this.members[member] ?? this.column, plaintext)
  }

  /** What is hashed of serialised values, one for each member. */
  joined(plaintexts: readonly Plaintext[]): Plaintext {
    return this.isCompound ? asPlaintext(joinedValues(plaintexts)) : (plaintexts[0] ?? '')
  }

  /** What is hashed of a serialised value. */
  indexed(plaintext: Plaintext): Plaintext {
    const { normalize, from } = this.declared
    if (!normalize && !from) return plaintext
    const value = this.column.scheme.type.deserialise(asPlaintext(Buffer.from(plaintext)))
    const name = normalize ? 'normalize' : 'from'
    const made = this.#call(name, normalize ?? from, value)
    return normalize ? this.column.serialise(made) : this.#bytesOf(made)
  }

  /** What is hashed of what is searched: a value of the column, what `from` gives, or the values of all members. */
  searched(value: unknown): Plaintext {
    if (this.isCompound) return this.#ofAll(value)
    return this.declared.from ? this.#bytesOf(value) : this.indexed(this.column.serialise(value))
  }

  stored(hash: Buffer): IndexValue {
    const { bits } = this.declared
    const value = bits === undefined ? hash : firstBits(hash, bits)
    return this.column.scheme.options.storage === 'text' ? value.toString('hex') : value
  }

  #ofAll(value: unknown): Plaintext {
    const names = this.members.map(({ metadata }) => metadata.propertyName)
    const given = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
    const isWhole = Object.keys(given).length === names.length && names.every((name) => given[name] != null)
    if (!isWhole) {
      throw this.column.error(
        InvalidValueError,
        `Indexed('${this.declared.name}', …) takes an object with a value for each of ${names.join(', ')}`,
      )
    }
    return this.joined(this.members.map((member) => member.serialise(given[member.metadata.propertyName])))
  }

  get #context(): RowContext {
    const [context] = this.column.recipes.contexts
    if (!context) throw new TypeError('The column is not bound yet')
    return context
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
}

/**
 * What is hashed of a value as it is stored. Rows that were encrypted in place hold the text that was there, which
 * need not be that of `save`.
 */
function canonicalOf(column: SearchedColumn, plaintext: Buffer): Plaintext {
  const { type } = column.scheme
  if (type.name === 'string' || type.name === 'buffer') return asPlaintext(plaintext)
  return column.serialise(type.deserialise(asPlaintext(plaintext)))
}

/** Bytes that an index has in its column. */
export function indexLength(bits: number | undefined): number {
  return bits === undefined ? INDEX_LENGTH : Math.ceil(bits / 8)
}
