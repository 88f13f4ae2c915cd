import { type Stored } from '../../orm/read/value-opener'
import { type ColumnLayout } from './column-layout'
import { type KeyPage, type Shard } from './key-sql'

/** A row of an encrypted column that is not NULL. */
export interface ColumnRow {
  /** Values of the primary key, in a form that the database takes back without loss. */
  key: readonly unknown[]
  /** `key` as one text, to tell rows apart. */
  id: string
  /** The value as it is stored. */
  stored: Stored
  /** Where the database has one: changes whenever the row does. */
  version?: readonly string[]
}

/** A row and what is to be stored instead. */
export interface Change {
  row: ColumnRow
  value: Stored
}

/**
 * Reads and writes the rows of one encrypted column over one connection. One class per database: each has its own
 * way to write a batch in one statement, and only where a row still is what was read. No plaintext appears in a
 * statement, except where plaintext is what is to be stored.
 */
export interface ColumnRows {
  readonly layout: ColumnLayout
  /** Rows that are not NULL, in this shard or in all. */
  count(shard?: Shard): Promise<number>
  /** Bytes of the longest value, or with `plaintext` of the longest that does not begin like a ciphertext. */
  longest(plaintext: boolean): Promise<number>
  /** The next rows in the order of the primary key. */
  page(page: KeyPage): Promise<ColumnRow[]>
  /** The rows as they are now; those that are gone or NULL are left out. */
  again(rows: readonly ColumnRow[]): Promise<ColumnRow[]>
  /** Stores the values of the rows that nobody else has changed, and returns the ids of those. */
  write(changes: readonly Change[]): Promise<ReadonlySet<string>>
}

export function rowId(key: readonly unknown[]): string {
  return key.length === 1 ? idOf(key[0]) : JSON.stringify(key.map(idOf))
}

function idOf(value: unknown): string {
  return Buffer.isBuffer(value) ? `x${value.toString('hex')}` : `t${String(value)}`
}

/** The primary key of a row, for people. */
export function primaryKeyOf({ keys }: ColumnLayout, { key }: ColumnRow): Record<string, unknown> {
  return Object.fromEntries(
    keys.map(({ property }, index) => {
      const value = key[index]
      return [property, Buffer.isBuffer(value) ? value.toString('hex') : String(value)]
    }),
  )
}
