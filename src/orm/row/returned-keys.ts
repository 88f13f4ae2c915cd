import { type EntityMetadata, type ObjectLiteral } from 'typeorm'

/**
 * Puts the keys that a row was returned with into what TypeORM merges into the entity. Its driver for sql.js asks for the
 * key that was inserted last instead: the last one of several rows, or that of a data key.
 */
export function withReturnedKeys(
  { generatedColumns }: EntityMetadata,
  row: unknown,
  map: ObjectLiteral | undefined,
): ObjectLiteral | undefined {
  if (map === undefined || typeof row !== 'object' || row === null) return map
  const returned = row as Readonly<Record<string, unknown>>
  for (const column of generatedColumns) {
    const key = returned[column.databaseName]
    if (column.isPrimary && column.generationStrategy === 'increment' && key !== undefined)
      column.setEntityValue(map, key)
  }
  return map
}
