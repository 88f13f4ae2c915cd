import { type DataSource } from 'typeorm'
import { type BoundColumn } from '../orm/bound-column'
import { boundColumns } from '../orm/bound-columns'

/** Each encrypted column that has rows of its own, once: entities over the same table share them. */
export function encryptedColumns(dataSource: DataSource): BoundColumn[] {
  const columns = dataSource.entityMetadatas
    .filter(({ tableType }) => tableType !== 'view')
    .flatMap((metadata) => boundColumns(metadata))
  const byPlace = new Map(columns.reverse().map((column) => [placeInDatabase(dataSource, column), column]))
  return Array.from(byPlace.values()).reverse()
}

/** One entity may name the schema or database that is another's default. */
function placeInDatabase({ driver }: DataSource, { metadata }: BoundColumn): string {
  const { database, schema, tableName } = driver.parseTableName(metadata.entityMetadata)
  return JSON.stringify([database, schema, tableName, metadata.databaseName])
}

/** As migration functions take a column. */
export function placeOf({ metadata }: BoundColumn): { target: string; propertyPath: string } {
  return { target: metadata.entityMetadata.name, propertyPath: metadata.propertyPath }
}
