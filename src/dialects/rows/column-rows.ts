import { type Stored } from '../../column/driver-value'
import { type RowsLayout } from '../column-layout'
import { type KeyPage, type Shard } from './key-order'

/** A row of an encrypted column that is not NULL. */
export interface ColumnRow {
  /** Values of the primary key, in a form that the database takes back without loss. */
  readonly key: readonly unknown[]
  /** `key` as one text, to tell rows apart. */
  readonly id: string
  /** The value as it is stored. */
  readonly stored: Stored
  /** False for a text of which the database cannot give all: `stored` has something else in its place. */
  readonly isWhole?: boolean
  /** What the row has in a column of `bound`, as the driver delivers it. */
  readonly valueOf: (column: string) => unknown
  /** What the row has in the columns of `beside`. */
  readonly beside?: readonly (Stored | null)[]
  /** Where the database has one: changes whenever the row does. */
  readonly version?: readonly string[]
  /** The primary key for people, by the names of the properties. */
  primaryKey(): Record<string, unknown>
}

/** A value of an expression as the driver gives it, and how many rows have it. */
export interface CountedValue {
  value: unknown
  rows: number
}

/** A row and what is to be stored instead. */
export interface Change extends Converted {
  row: ColumnRow
}

/** What is to be stored in a row. */
export interface Converted {
  value: Stored
  /** What goes into the columns of `beside`, one each; `undefined` leaves them as they are. */
  beside?: readonly (Stored | null)[]
}

/**
 * Reads and writes the rows of one encrypted column over one connection. One class per database: each has its own
 * way to write a batch in one statement, and only where a row still is what was read. No plaintext appears in a
 * statement, except where plaintext is what is to be stored.
 */
export interface ColumnRows {
  readonly layout: RowsLayout
  /** Rows that are not NULL, in this shard or in all. */
  count(shard?: Shard): Promise<number>
  /** Rows whose value does not begin like a ciphertext. */
  countPlaintext(shard?: Shard): Promise<number>
  /** How many rows have each value of an expression over the column. */
  countBy(expression: string, shard?: Shard): Promise<readonly CountedValue[]>
  /** Bytes of the longest value, or with `plaintext` of the longest that does not begin like a ciphertext. */
  longest(plaintext: boolean): Promise<number>
  /** The next rows in the order of the primary key. */
  page(page: KeyPage): Promise<ColumnRow[]>
  /** The rows as they are now; those that are gone or NULL are left out. */
  again(rows: readonly ColumnRow[]): Promise<ColumnRow[]>
  /**
   * Stores the values of the rows that nobody else has changed, and returns the ids of those. What is stored then is
   * compared with what was sent, in the same transaction: throws `AlteredValueError`, with nothing stored, if the
   * database made something else of it.
   */
  write(changes: readonly Change[]): Promise<ReadonlySet<string>>
  /** Stores a value in a row and takes it back: throws what the database has against it. */
  tryOut(change: Change): Promise<void>
  /** Runs `work` in which all reads see the same moment, where the database can do that. */
  inSnapshot<T>(work: () => Promise<T>): Promise<T>
  /** Throws if the database gave rows other keys since the rows were opened. */
  checkOrder(): Promise<void>
}

export function rowId(key: readonly unknown[]): string {
  return key.length === 1 ? idOf(key[0]) : JSON.stringify(key.map(idOf))
}

/** On SQLite the number 1, the text '1' and the byte '1' are three keys. */
function idOf(value: unknown): string {
  if (Buffer.isBuffer(value)) return `x${value.toString('latin1')}`
  return `${typeof value === 'object' ? 't' : 'n'}${String(value)}`
}
