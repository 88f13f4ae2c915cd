import { type ColumnMetadata } from './typeorm-types'

/** What TypeORM or the database fills, compares or computes by itself, by the flag of a column's metadata. */
const MANAGED = {
  isPrimary: 'a primary key',
  isGenerated: 'generated',
  isVersion: 'the version column',
  isCreateDate: 'the create date',
  isUpdateDate: 'the update date',
  isDeleteDate: 'the delete date',
  isDiscriminator: 'the discriminator of a table inheritance',
  isTreeLevel: 'the level of a tree',
  isMaterializedPath: 'the path of a tree',
  isNestedSetLeft: 'a bound of a nested set',
  isNestedSetRight: 'a bound of a nested set',
  isObjectId: 'an object id',
  isVirtual: 'a virtual column',
  isVirtualProperty: 'a virtual column',
  isArray: "an array of the database (use type: 'json')",
} as const

/** What a column is besides being a column, if it is something that a ciphertext cannot be. */
export function managedAs(column: ColumnMetadata): string | undefined {
  for (const [flag, name] of Object.entries(MANAGED)) {
    if (column[flag as keyof typeof MANAGED]) return name
  }
  if (column.relationMetadata || column.referencedColumn) return 'the join column of a relation'
  if (column.default !== undefined && column.default !== null) return 'filled by a database default'
  if (column.onUpdate || column.asExpression) return 'computed by the database'
  if (column.enum) return 'an enum of the database'
  return undefined
}
