import { ColumnTypeError } from '../errors'
import { type ColumnLayout } from './rows/column-layout'

/** Throws `ColumnTypeError` unless the column's type takes what its `storage` option asks for. */
export function checkKind(layout: ColumnLayout): void {
  const { column, dialect, storage, type } = layout
  if (dialect.takesCiphertext(layout)) return
  throw column.error(
    ColumnTypeError,
    `the column is of type ${type}, and ciphertext needs a ${storage} one. Change it first: ${dialect.changeType(layout, declaredType(layout))} Or let typeorm-kms migration:generate write the migration.`,
  )
}

/** Throws `ColumnTypeError` if the longest value would not fit, naming the statement that widens the column. */
export function checkCapacity(layout: ColumnLayout, needed: number): void {
  const { column, dialect, storage, capacity } = layout
  if (capacity === undefined || needed <= capacity) return
  const declared = { sql: declaredType(layout), length: Number(column.metadata.length || 0) }
  const type = dialect.roomyType(storage, needed, declared)
  throw column.error(
    ColumnTypeError,
    `the column holds ${capacity} bytes, and the longest value needs ${needed} once it is encrypted. Widen it first: ${dialect.changeType(layout, type)} No row was changed.`,
  )
}

/** The type that the entity declares, as SQL. */
export function declaredType({ column }: ColumnLayout): string {
  const { type, length } = column.metadata
  return length ? `${String(type)}(${length})` : String(type)
}
