import { type EntitySchema, type EntitySchemaOptions, type ObjectLiteral } from 'typeorm'
import { DeclaredColumn } from './declared-column'
import { indexColumn, indexProperty } from './index-column'

type Options = EntitySchemaOptions<ObjectLiteral>

/**
 * Adds the columns of blind indexes to the schemas among entities, as the decorator does for classes: a schema lists
 * each of its columns. Called again it changes nothing.
 */
export function addSchemaIndexes(entities: unknown): void {
  const all: unknown[] = typeof entities === 'object' && entities !== null ? Object.values(entities) : []
  for (const entity of all) if (isSchema(entity)) addTo(entity.options)
}

function addTo(options: Options): void {
  for (const [property, column] of Object.entries(options.columns)) {
    const { name: given, transformer } = column ?? {}
    const scheme = DeclaredColumn.of(transformer)?.scheme
    if (!scheme) continue
    for (const index of scheme.indexes) {
      const name = indexProperty(property, index)
      if (Object.hasOwn(options.columns, name)) continue
      const beside = given === undefined ? {} : { name: `${given}_${index.name}` }
      Object.assign(options.columns, { [name]: { ...indexColumn(scheme, property, index), ...beside } })
      options.indices = [...(options.indices ?? []), { columns: [name], unique: index.isUnique }]
    }
  }
  for (const { schema } of Object.values<{ schema: unknown }>(options.embeddeds ?? {}))
    if (isSchema(schema)) addTo(schema.options)
}

/** By what TypeORM itself tells its objects by: there may be two copies of it. */
function isSchema(entity: unknown): entity is EntitySchema<ObjectLiteral> {
  return (
    typeof entity === 'object' &&
    entity !== null &&
    (entity as Record<string, unknown>)['@instanceof'] === Symbol.for('EntitySchema')
  )
}
