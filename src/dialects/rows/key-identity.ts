import { NoPrimaryKeyError } from '../../errors'
import { type KeyName } from '../dialect'
import { type KeyColumn } from './key-order'

type Query = (sql: string) => Promise<readonly unknown[]>

/**
 * Throws `NoPrimaryKeyError` if two rows have the same key, or a row has NULL in it. Asked where no unique index of
 * the database says so: the entity's primary key need not be the table's.
 */
export async function checkIdentity(query: Query, table: string, keys: readonly KeyColumn[]): Promise<void> {
  const columns = keys.map(({ sql }) => sql)
  const nulls = columns.map((sql) => `${sql} IS NULL`).join(' OR ')
  const name = columns.join(', ')
  if ((await query(`SELECT 1 AS found FROM ${table} WHERE ${nulls} LIMIT 1`)).length > 0) {
    throw new NoPrimaryKeyError(
      `rows of ${table} have NULL in the primary key (${name}), so that they cannot be told apart. Give them a value and make the columns NOT NULL. Nothing was changed.`,
    )
  }
  const twice = `SELECT 1 AS found FROM ${table} GROUP BY ${name} HAVING COUNT(*) > 1 LIMIT 1`
  if ((await query(twice)).length > 0) {
    throw new NoPrimaryKeyError(
      `several rows of ${table} have the same primary key (${name}), so that they cannot be told apart. Make the key unique in the database, or declare the one that is. Nothing was changed.`,
    )
  }
}

/** The column of the table that a column of the key is called like. Throws `NoPrimaryKeyError` if there is none. */
export function columnOf<Column extends { readonly name: string }>(
  columns: readonly Column[],
  { property, name }: KeyName,
): Column {
  const column = columns.find((one) => one.name.toLowerCase() === name.toLowerCase())
  if (!column) throw unpageable(property, 'unknown')
  return column
}

/** An error for a key whose order, comparison and text are not known to agree. */
export function unpageable(property: string, type: string): NoPrimaryKeyError {
  return new NoPrimaryKeyError(
    `the rows cannot be gone through in the order of the primary key: it is not known how values of type ${type} (${property}) compare. Declare another unique column as the primary key for this, or change its type. Nothing was changed.`,
  )
}
