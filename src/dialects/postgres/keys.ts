import { type QueryRunner } from 'typeorm'
import { type NoPrimaryKeyError } from '../../errors'
import { type KeyName, type TableName } from '../dialect'
import { checkIdentity, unpageable } from '../rows/key-identity'
import { type KeyColumn, type Parameters } from '../rows/key-order'

interface FoundColumn {
  name: string
  number: number
  type: string
  not_null: string
}

/** Of a table that others inherit from: they may have rows with the same key. */
const OF_TABLE: KeyColumn = keyColumn('table', 'tableoid', 'oid')

/**
 * Every type of PostgreSQL has a text that it takes back without loss, and compares as it sorts: so each is paged by
 * its own order.
 */
export async function readKeys(
  queryRunner: QueryRunner,
  table: TableName,
  names: readonly KeyName[],
): Promise<KeyColumn[]> {
  const query = (sql: string, parameters?: unknown[]): Promise<unknown[]> =>
    queryRunner.query(sql, parameters) as Promise<unknown[]>
  const columns = (await query(
    'SELECT attname::text AS name, attnum AS number, format_type(atttypid, atttypmod) AS type, attnotnull::text AS not_null ' +
      'FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped',
    [table.sql],
  )) as FoundColumn[]
  const found = names.map(({ property, name }) => {
    const column = columns.find((one) => one.name === name)
    if (!column) throw unpageable(property, 'unknown')
    return { ...keyColumn(property, table.escape(name), column.type), column }
  })
  const tables = await inheriting(query, table.sql)
  const keys = tables.length > 1 ? [...found, OF_TABLE] : found
  const numbers = found.map(({ column }) => column.name)
  const isCertain =
    found.every(({ column }) => column.not_null === 'true') &&
    (await Promise.all(tables.map((id) => hasUniqueIndex(query, id, numbers)))).every(Boolean)
  if (!isCertain) {
    await checkIdentity(query, table.sql, keys).catch((error: unknown) => {
      throw isIncomparable(error) ? incomparable(found, error) : error
    })
  }
  return keys
}

/** `undefined_function`: json, xml and shapes have no order, and can be no key of the database's own. */
function isIncomparable(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && error.code === '42883'
}

function incomparable(keys: readonly KeyColumn[], { message }: Error): NoPrimaryKeyError {
  const named = keys.find(({ type }) => message.endsWith(`type ${type}`))
  const list = (of: (key: KeyColumn) => string): string => (named ? [named] : keys).map(of).join(', ')
  return unpageable(
    list(({ property }) => property),
    list(({ type }) => type),
  )
}

function keyColumn(property: string, sql: string, type: string): KeyColumn {
  return {
    property,
    sql,
    type,
    selected: `${sql}::text`,
    text: `${sql}::text`,
    // As a text, which PGlite would take for no parameter of type bytea.
    value: (key: unknown, parameters: Parameters) => `${parameters.add(key)}::text::${type}`,
  }
}

/** The table and those that inherit from it, without partitions: a partitioned table's key is one over all of them. */
async function inheriting(
  query: (sql: string, parameters: unknown[]) => Promise<unknown[]>,
  path: string,
): Promise<number[]> {
  const rows = (await query(
    `WITH RECURSIVE tree AS (
       SELECT $1::regclass::oid AS id
       UNION SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.id
         JOIN pg_class ON pg_class.oid = inhrelid AND NOT relispartition
     ) SELECT id FROM tree`,
    [path],
  )) as { id: number }[]
  return rows.map(({ id }) => id)
}

/** True if the columns of a unique index, or of the primary key, are among these. */
async function hasUniqueIndex(
  query: (sql: string, parameters: unknown[]) => Promise<unknown[]>,
  table: number,
  columns: readonly string[],
): Promise<boolean> {
  const rows = await query(
    `SELECT 1 AS found FROM pg_index
       WHERE indrelid = $1 AND indisunique AND indisvalid AND indpred IS NULL AND indexprs IS NULL
       AND NOT EXISTS (
         SELECT 1 FROM generate_series(0, indnkeyatts - 1) AS position
           JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[position]
           WHERE attname::text <> ALL ($2::text[])
       ) LIMIT 1`,
    [table, columns],
  )
  return rows.length > 0
}
