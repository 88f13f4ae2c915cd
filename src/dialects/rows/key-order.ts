/** One of several processes that share a table. */
export interface Shard {
  /** From 1 to `count`. */
  index: number
  count: number
}

/** Which rows are to be read next. */
export interface KeyPage {
  /** The key of the last row read so far. */
  after: readonly unknown[] | undefined
  limit: number
  shard?: Shard | undefined
  /** Reads no values, to count the rows as pages meet them. */
  keysOnly?: boolean
  /** Reads what values are bound to instead of the values, of all rows: also of those that have no value. */
  boundOnly?: boolean
}

/** Writes parameters into a statement, as the database has its placeholders. */
export class Parameters {
  readonly values: unknown[] = []

  constructor(readonly placeholder: (position: number) => string) {}

  add(value: unknown): string {
    this.values.push(value)
    return this.placeholder(this.values.length)
  }
}

/**
 * A column of the primary key, with a form in which its order, its comparison and its text agree: what `selected`
 * gives, `sql > value` compares as `ORDER BY sql` orders it.
 */
export interface KeyColumn {
  /** Name of the property, for people. */
  readonly property: string
  /** Escaped name. */
  readonly sql: string
  /** Type as the database names it, e.g. `bigint` or `character varying(36)`. */
  readonly type: string
  /** What is selected: a form that loses nothing, whatever the driver makes of the type itself. */
  readonly selected: string
  /** The text of the key, in SQL, the same in every session: parts of a table are told by it. */
  readonly text: string
  /** A key that was selected, as the database is to compare it. */
  value(key: unknown, parameters: Parameters): string
}

type Keys = readonly KeyColumn[]
type Key = readonly unknown[]

/** True for the rows after a key. Written so that every database can use the primary key's index for it. */
export function afterKey(keys: Keys, key: Key, parameters: Parameters): string {
  const [first, ...others] = keys
  if (!first || others.length === 0) return isAfter(keys, key, parameters)
  return `${first.sql} >= ${first.value(key[0], parameters)} AND ${isAfter(keys, key, parameters)}`
}

function isAfter([first, ...others]: Keys, [value, ...rest]: Key, parameters: Parameters): string {
  if (!first) throw new RangeError('rows without a key have no order')
  const greater = `${first.sql} > ${first.value(value, parameters)}`
  if (others.length === 0) return greater
  return `(${greater} OR (${first.sql} = ${first.value(value, parameters)} AND ${isAfter(others, rest, parameters)}))`
}

/** True for the row with this key. */
export function sameKey(keys: Keys, key: Key, parameters: Parameters): string {
  return keys.map((column, index) => `${column.sql} = ${column.value(key[index], parameters)}`).join(' AND ')
}

/** True for the rows with one of these keys. */
export function anyKey(keys: Keys, wanted: readonly Key[], parameters: Parameters): string {
  const [only, ...others] = keys
  if (only && others.length === 0)
    return `${only.sql} IN (${wanted.map(([value]) => only.value(value, parameters)).join(', ')})`
  return `(${wanted.map((key) => `(${sameKey(keys, key, parameters)})`).join(' OR ')})`
}

export function orderByKey(keys: Keys): string {
  return keys.map(({ sql }) => sql).join(', ')
}
