import { type ColumnLayout } from './column-layout'

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
}

/** Writes parameters into a statement, as the database has its placeholders. */
export class Parameters {
  readonly values: unknown[] = []
  readonly #numbered: boolean

  constructor({ database }: Pick<ColumnLayout, 'database'>) {
    this.#numbered = database === 'postgres'
  }

  add(value: unknown): string {
    this.values.push(value)
    return this.#numbered ? `$${this.values.length}` : '?'
  }
}

/** True for the rows after a key. Written so that every database can use the primary key's index for it. */
export function afterKey(layout: ColumnLayout, key: readonly unknown[], parameters: Parameters): string {
  const from = (index: number): string => {
    const { sql } = layout.keys[index]!
    const greater = `${sql} > ${parameters.add(key[index])}`
    if (index === layout.keys.length - 1) return greater
    return `(${greater} OR (${sql} = ${parameters.add(key[index])} AND ${from(index + 1)}))`
  }
  if (layout.keys.length === 1) return from(0)
  const first = `${layout.keys[0]!.sql} >= ${parameters.add(key[0])}`
  return `${first} AND ${from(0)}`
}

/** True for the row with this key. */
export function sameKey(layout: ColumnLayout, key: readonly unknown[], parameters: Parameters): string {
  return layout.keys.map(({ sql }, index) => `${sql} = ${parameters.add(key[index])}`).join(' AND ')
}

/** True for the rows with one of these keys. */
export function anyKey(
  layout: ColumnLayout,
  keys: readonly (readonly unknown[])[],
  parameters: Parameters,
): string {
  const [only, ...others] = layout.keys
  if (only && others.length === 0)
    return `${only.sql} IN (${keys.map(([value]) => parameters.add(value)).join(', ')})`
  return `(${keys.map((key) => `(${sameKey(layout, key, parameters)})`).join(' OR ')})`
}

export function orderByKey({ keys }: ColumnLayout): string {
  return keys.map(({ sql }) => sql).join(', ')
}

/** True for the rows of a shard: by a hash of the primary key, the same in every process. */
export function inShard({ database, keys }: ColumnLayout, { index, count }: Shard): string {
  const text = keys.map(({ sql }) => asText(database, sql))
  switch (database) {
    case 'mysql':
      return `MOD(CRC32(CONCAT_WS(0x00, ${text.join(', ')})), ${count}) = ${index - 1}`
    case 'postgres':
      return `MOD(('x' || SUBSTR(MD5(CONCAT_WS('/', ${text.join(', ')})), 1, 7))::bit(28)::int, ${count}) = ${index - 1}`
    case 'sqlite': {
      // SQLite has no hash function: the last digits of the key, in hexadecimal, weighted.
      const digits = text.flatMap((hex) =>
        [1, 2, 3, 4, 5, 6].map(
          (place) =>
            `${[1, 7, 3, 31, 13, 61][place - 1]!} * unicode(substr('000000' || ${hex}, -${place}, 1))`,
        ),
      )
      return `(${digits.join(' + ')}) % ${count} = ${index - 1}`
    }
  }
}

function asText(database: ColumnLayout['database'], sql: string): string {
  if (database === 'postgres') return `${sql}::text`
  return database === 'sqlite' ? `hex(CAST(${sql} AS BLOB))` : `CAST(${sql} AS BINARY)`
}
