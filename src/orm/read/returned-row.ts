import { type EntityMetadata, type ObjectLiteral } from 'typeorm'
import { boundColumn } from '../bound-columns'
import { type BoundColumn } from '../bound-column'
import { SealedValue } from '../sealed-value'
import { isMarked } from './marked'

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
  const encrypted: [BoundColumn, unknown][] = []
  const others: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(row) as [string, unknown][]) {
    const column = metadata.findColumnWithDatabaseName(name)
    const bound = column && boundColumn(column)
    if (bound) encrypted.push([bound, value])
    else others[name] = value
  }
  if (encrypted.length === 0) return make(row)
  const map = make(others) ?? {}
  for (const [column, value] of encrypted) column.metadata.setEntityValue(map, opened(column, value))
  return map
}

function opened(column: BoundColumn, stored: unknown): unknown {
  const value = column.from(stored)
  const sealed = SealedValue.of(value)
  if (!sealed) return value
  const { failure } = sealed
  if (failure && isMarked(column, failure)) return value
  return sealed.refuse()
}
