import { type EntityMetadata, type ObjectLiteral } from 'typeorm'
import { boundColumns } from '../bound-columns'
import { type BoundColumn } from '../bound-column'
import { SealedValue } from '../sealed-value'
import { isMarked } from './marked'
import { UnreadValue } from './unread-value'

/**
 * What TypeORM merges into the application's entity of a row that a statement returned (RETURNING). TypeORM asks no
 * transformer there, so encrypted columns are left out for it, and their values are put in opened. The raw row keeps
 * its ciphertexts.
 *
 * @param make how TypeORM makes the map of a row.
 */
export function openReturnedRow(
  metadata: EntityMetadata,
  row: unknown,
  make: (row: unknown) => ObjectLiteral | undefined,
): ObjectLiteral | undefined {
  if (typeof row !== 'object' || row === null) return make(row)
  const returned = row as Record<string, unknown>
  const encrypted = boundColumns(metadata).filter((column) => column.metadata.databaseName in returned)
  if (encrypted.length === 0) return make(row)
  const names = new Set(encrypted.map((column) => column.metadata.databaseName))
  const others = Object.fromEntries(Object.entries(returned).filter(([name]) => !names.has(name)))
  const map = make(others) ?? {}
  for (const column of encrypted)
    column.metadata.setEntityValue(map, opened(column, returned[column.metadata.databaseName], map))
  return map
}

function opened(column: BoundColumn, stored: unknown, map: ObjectLiteral): unknown {
  const value = column.from(stored)
  if (value instanceof UnreadValue) {
    value.entity = map
    return value.open()
  }
  const sealed = SealedValue.of(value)
  if (!sealed) return value
  const { failure } = sealed
  if (failure && isMarked(column, failure)) return value
  return sealed.refuse()
}
