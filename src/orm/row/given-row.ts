import { type NamedRow } from '../../diagnostics'
import { type BoundColumn } from '../bound-column'
import { type RowValues } from '../recipe'

/**
 * The values of a row that the application gives beside a value: a raw row, with the names of the database, or an
 * entity or a part of one, with those of its properties.
 */
export function givenRow(row: object, { recipes, metadata }: BoundColumn): RowValues {
  const { target } = metadata.entityMetadata
  const isEntity = typeof target === 'function' && row instanceof target
  return (name) => {
    const column = recipes.opensBy.find((each) => each.name === name)
    if (!isEntity && Object.hasOwn(row, name)) return Reflect.get(row, name) as unknown
    return column?.metadata.getEntityValue(row, true) as unknown
  }
}

/** Names a given row by its primary key, as far as it has one. */
export function givenName(row: object, { metadata: { entityMetadata } }: BoundColumn): NamedRow {
  return () => {
    const key = entityMetadata.primaryColumns.map(
      ({ propertyPath, databaseName }) =>
        [propertyPath, Reflect.get(row, propertyPath) ?? Reflect.get(row, databaseName)] as [string, unknown],
    )
    return key.every(([, value]) => value !== undefined) ? Object.fromEntries(key) : undefined
  }
}
