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
