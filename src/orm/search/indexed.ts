import { inspect } from 'node:util'
import { FindOperator } from 'typeorm'
import { InvalidOptionError, type KmsEncryptionError, SearchRefusedError } from '../../errors'
import { NOT_INDEXED } from '../write/tokens'

/** What a named blind index is made of. */
export type Indexable = string | number | bigint | boolean | Date | Uint8Array

/** The values of an index over several properties, by their names. */
export type IndexableValues = Readonly<Record<string, unknown>>

/** What is searched by a named index, on its way to the statement. Nothing shows it, and no driver takes it. */
export class IndexedValue {
  readonly #value: unknown

  constructor(
    readonly name: string,
    value: unknown,
  ) {
    if (value === null || value === undefined)
      throw new InvalidOptionError(`Indexed('${name}', …) needs a value. IsNull() asks for rows without one.`)
    this.#value = value
  }

  /** Of an operator of `Indexed()` or what it holds. */
  static of(parameter: unknown): IndexedValue | undefined {
    if (parameter instanceof IndexedValue) return parameter
    if (!(parameter instanceof IndexedOperator)) return undefined
    const value: unknown = parameter.value
    return value instanceof IndexedValue ? value : undefined
  }

  get value(): unknown {
    return this.#value
  }

  refusal(): KmsEncryptionError {
    return new SearchRefusedError(
      `Indexed('${this.name}', …) is compared with an encrypted column that has such an index, by =, <> or IN, and used for nothing else.`,
    )
  }

  toString(): string {
    throw this.refusal()
  }

  /** In keys of the query result cache: such searches are not kept in it. */
  toJSON(): string {
    return NOT_INDEXED
  }

  /** mysql2 calls this for a parameter. */
  toSqlString(): string {
    throw this.refusal()
  }

  /** pg calls this for a parameter. */
  toPostgres(): string {
    throw this.refusal()
  }

  [inspect.custom](): string {
    return `[searched by ${this.name}]`
  }
}

/** TypeORM's operator for `Equal` or `In`. As a parameter of a text it gets to the driver's door itself. */
class IndexedOperator extends FindOperator<never> {
  constructor(name: string, value: unknown) {
    if (Array.isArray(value)) {
      const values: unknown[] = value.map((each) => new IndexedValue(name, each))
      super('in', values as never, true, true)
    } else super('equal', new IndexedValue(name, value) as never)
  }

  /** PGlite calls this for a parameter that is compared with a text. */
  override toString(): string {
    throw refusalOf(this)
  }

  toSqlString(): string {
    throw refusalOf(this)
  }

  toPostgres(): string {
    throw refusalOf(this)
  }
}

function refusalOf(operator: IndexedOperator): KmsEncryptionError {
  return (IndexedValue.of(operator) ?? new IndexedValue('…', true)).refusal()
}

/**
 * Finds rows by a named blind index of an encrypted column: by what its `from` gives, or by a value of the column where
 * it has `normalize`; for an index over several properties (`with`) an object with all their values. With a list, by any
 * of them. In find options, criteria and `.where({ … })` it stands for the
 * column's value; in a condition written as text it is the parameter.
 *
 * Throws `SearchRefusedError` where the column has no such index, or it cannot answer.
 *
 * @example
 * ```ts
 * await cards.findBy({ card: Indexed('last4', '4242') })
 * await cards.createQueryBuilder('c').where('c.card = :last4', { last4: Indexed('last4', '4242') }).getMany()
 * ```
 */
export function Indexed(
  name: string,
  value: Indexable | IndexableValues | readonly (Indexable | IndexableValues)[],
): FindOperator<never> {
  return new IndexedOperator(name, value)
}

const NONE: ReadonlyMap<number, string> = new Map()

/** The names of the indexes by which parameters are to be searched, by the numbers of those. */
export function namedIndexes(parameters: unknown): ReadonlyMap<number, string> {
  if (!Array.isArray(parameters)) return NONE
  let names: Map<number, string> | undefined
  for (let at = 0; at < parameters.length; at++) {
    const parameter = parameters[at] as unknown
    const first: unknown = Array.isArray(parameter) ? parameter[0] : parameter
    const named = IndexedValue.of(first)
    if (named) (names ??= new Map<number, string>()).set(at, named.name)
  }
  return names ?? NONE
}
