import { type EntityMetadata, type ObjectLiteral } from 'typeorm'
import { type RowValues } from './recipe'

/** The values of an entity, as its row has them or is to have them. */
export function valuesOf(entity: ObjectLiteral, metadata: EntityMetadata): RowValues {
  return (name) => metadata.findColumnWithDatabaseName(name)?.getEntityValue(entity, true) as unknown
}
