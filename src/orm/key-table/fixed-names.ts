import { type EntityMetadata } from 'typeorm'
import { KEY_TABLE_COLUMNS, type KmsDataKey } from './entity'

/** Gives the key table the names that other languages read, whatever a naming strategy or a prefix made of them. */
export function fixNames(metadata: EntityMetadata, table: string): void {
  if (metadata.tableName !== table) {
    const path = metadata.tablePath.split('.')
    path[path.length - 1] = table
    Object.assign(metadata, { tableName: table, tableNameWithoutPrefix: table, tablePath: path.join('.') })
  }
  for (const column of metadata.columns) {
    const name = KEY_TABLE_COLUMNS[column.propertyName as keyof KmsDataKey]
    if (column.databaseName === name) continue
    Object.assign(column, { databaseName: name, databasePath: name, databaseNameWithoutPrefixes: name })
  }
}
