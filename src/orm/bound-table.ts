import { type EntityMetadata } from 'typeorm'

/**
 * The table that values are bound to. A schema that the entity or the DataSource names belongs to it, so that a value
 * of one tenant's schema does not open in another's; `public` counts as none. So does a database that the entity
 * names where it is a namespace of the server; for SQLite it is a file, which may be moved.
 */
export function boundTable({ database, schema, tableName }: EntityMetadata, type: string): string {
  const isNamespace = /^(mysql|mariadb)$/.test(type)
  if (isNamespace && database !== undefined && database !== '') return `${database}.${tableName}`
  return schema === undefined || schema === '' || schema === 'public' ? tableName : `${schema}.${tableName}`
}
