import { type ColumnRow } from '../dialects/rows/column-rows'
import { type KmsEncryptionError, type KmsEncryptionErrorCode } from '../errors'

/** Where a value that does not open in its row belongs. */
export interface BelongsTo {
  property: string
  primaryKey: Readonly<Record<string, unknown>>
}

/** A row whose value cannot be read, or could not be converted. */
export interface Unreadable {
  primaryKey: Readonly<Record<string, unknown>>
  /** Code of the error, e.g. `CIPHERTEXT_TAMPERED`. */
  code: KmsEncryptionErrorCode
  reason: string
  /** With `findRow`: the row and property that the value belongs to, where it was found. */
  belongsTo?: BelongsTo
}

/** Failures listed; the others are only counted. */
const MAX_LISTED = 1_000

/** The rows that were left as they are, because something is wrong with them. */
export class Failures {
  readonly listed: Unreadable[] = []
  count = 0

  clear(): void {
    this.listed.length = 0
    this.count = 0
  }

  add(row: ColumnRow, error: KmsEncryptionError): void {
    this.addAt(row.primaryKey(), error)
  }

  addAt(primaryKey: Readonly<Record<string, unknown>>, { code, reason }: KmsEncryptionError): void {
    this.count++
    if (this.listed.length < MAX_LISTED) this.listed.push({ primaryKey, code, reason })
  }
}
