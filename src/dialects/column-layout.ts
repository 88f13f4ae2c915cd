import { type BytesSql, type ColumnKind } from './bytes-sql'
import { type KeyColumn } from './rows/key-order'

/** A table, by what it is found in the catalogue and in statements. */
export type TableLayout = Pick<ColumnLayout, 'path' | 'table'>

/** One encrypted column as the database has it now, which before a migration is not as the entity declares it. */
export interface ColumnLayout {
  readonly dialect: BytesSql
  /** Entity and property, for errors. */
  readonly place: { readonly entity: string; readonly property: string }
  readonly storage: 'binary' | 'text'
  /** Path of the table as TypeORM has it, e.g. `schema.table`. */
  readonly path: string
  /** Escaped table path and column name. */
  readonly table: string
  readonly name: string
  readonly type: string
  readonly kind: ColumnKind
  readonly nullable: boolean
  /** Most bytes (`binary`) or characters (`text`) that the type takes; `undefined` for no limit that matters. */
  readonly capacity: number | undefined
}

/** An encrypted column whose rows can be gone through. */
export interface RowsLayout extends ColumnLayout {
  /** The columns of the primary key that the entity declares, as the database has them. */
  readonly keys: readonly KeyColumn[]
  /** Columns of the row that the values depend on, by name and escaped. */
  readonly bound: readonly { readonly name: string; readonly sql: string }[]
  /** Columns of blind indexes that are read and written with the value, escaped. */
  readonly beside: readonly string[]
}

export function kindOf(type: string): ColumnKind {
  if (/blob|binary|bytea/i.test(type)) return 'binary'
  return /char|text|clob/i.test(type) ? 'text' : 'other'
}
