import { ColumnTypeError } from '../errors'
import { type ColumnLayout } from './rows/column-layout'

/** Throws `ColumnTypeError` unless the column's type takes what its `storage` option asks for. */
export function checkKind(layout: ColumnLayout): void {
  const { column, kind, database, type } = layout
  const text = column.scheme.options.storage === 'text'
  // SQLite stores bytes in a column of any type.
  if (database === 'sqlite' || kind === 'binary' || (text && kind === 'text')) return
  const wanted = text ? 'text' : 'binary'
  throw column.error(
    ColumnTypeError,
    `the column is of type ${type}, and ciphertext needs a ${wanted} one. Change it first: ${statements(layout, declaredType(layout))} Or let typeorm-kms migration:generate write the migration.`,
  )
}

/** Throws `ColumnTypeError` if the longest value would not fit, naming the statement that widens the column. */
export function checkCapacity(layout: ColumnLayout, needed: number): void {
  if (layout.capacity === undefined || needed <= layout.capacity) return
  const type = roomyType(layout, needed)
  throw layout.column.error(
    ColumnTypeError,
    `the column holds ${layout.capacity} bytes, and the longest value needs ${needed} once it is encrypted. Widen it first: ${statements(layout, type)} No row was changed.`,
  )
}

/** The type that the entity declares, as SQL. */
export function declaredType({ column }: ColumnLayout): string {
  const { type, length } = column.metadata
  return length ? `${String(type)}(${length})` : String(type)
}

/** The declared type if it has room, else the next that has. */
function roomyType(layout: ColumnLayout, needed: number): string {
  const declared = declaredType(layout)
  const length = Number(layout.column.metadata.length || 0)
  const base = layout.column.scheme.options.storage === 'text' ? 'text' : 'blob'
  if (layout.database !== 'mysql') return layout.column.scheme.options.storage === 'text' ? 'text' : 'bytea'
  if (length >= needed) return declared
  if (needed < 2 ** 16) return base
  return needed < 2 ** 24 ? `medium${base}` : `long${base}`
}

function statements({ database, table, name, kind, nullable }: ColumnLayout, type: string): string {
  const nullability = nullable ? 'NULL' : 'NOT NULL'
  if (database !== 'mysql') {
    const using = type === 'bytea' && kind !== 'binary' ? ` USING convert_to(${name}::text, 'UTF8')` : ''
    return `ALTER TABLE ${table} ALTER COLUMN ${name} TYPE ${type}${using};`
  }
  const modify = (to: string): string => `ALTER TABLE ${table} MODIFY ${name} ${to} ${nullability};`
  const toUtf8 = kind === 'text' && /blob|binary/.test(type)
  return (toUtf8 ? `${modify('longtext CHARACTER SET utf8mb4')} ` : '') + modify(type)
}
