import { type QueryRunner, type Table, type TableColumn } from 'typeorm'
import { type BoundColumn } from '../../orm/bound-column'
import {
  charsetOf,
  type ColumnKind,
  type Database,
  databaseOf,
  kindOf,
  mysqlCollation,
} from '../rows/column-layout'
import { columnStatus } from '../status'
import { dataSourceOf } from '../target'

/** How one encrypted column of the database differs from what the entity declares. */
export interface ColumnChange {
  column: BoundColumn
  database: Database
  table: Table
  /** Escaped table path, and name of the column as it is to be. */
  tableSql: string
  nameSql: string
  /** The column in the database; `undefined` if it is to be added. */
  old: TableColumn | undefined
  /** Its type, as SQL; with character set and collation. */
  oldType: string
  oldKind: ColumnKind
  /** The type that the entity declares, as SQL. */
  newType: string
  newKind: ColumnKind
  /** True if the old column has another name, which nothing in the entity has any more. */
  renamed: boolean
  /** What the rows hold now. */
  holds: { plaintext: boolean; ciphertext: boolean }
}

/** Compares a column; `undefined` if there is nothing to do, or its table is new. */
export async function columnChange(
  queryRunner: QueryRunner,
  column: BoundColumn,
): Promise<ColumnChange | undefined> {
  const { driver, options } = dataSourceOf(queryRunner)
  const { entityMetadata, databaseName } = column.metadata
  const table = await queryRunner.getTable(entityMetadata.tablePath)
  if (!table) return undefined
  const sameName = table.findColumnByName(databaseName)
  const old = sameName ?? renamedColumn(table, column)
  const declared = driver.normalizeType(column.metadata)
  const length = column.metadata.length
  const newType = length ? `${declared}(${length})` : declared
  const database = databaseOf(options)
  const tableSql = entityMetadata.tablePath
    .split('.')
    .map((part) => driver.escape(part))
    .join('.')
  const collation =
    old && database === 'mysql' && kindOf(old.type) === 'text'
      ? await mysqlCollation(queryRunner, tableSql, old.name)
      : undefined
  const oldType = old ? driver.createFullType(old) + characterSet(collation) : ''
  const change: ColumnChange = {
    column,
    database,
    table,
    tableSql,
    nameSql: driver.escape(databaseName),
    old,
    oldType,
    oldKind: old ? kindOf(old.type) : 'binary',
    newType,
    newKind: kindOf(declared),
    renamed: old !== undefined && !sameName,
    holds: await contents(queryRunner, column, old, sameName),
  }
  const sameType = oldType.split(' ')[0]!.toLowerCase() === newType.toLowerCase()
  return sameName && sameType && !change.holds.plaintext ? undefined : change
}

/** The one column of the table that nothing in the entity has, if one column of the entity is not in the table. */
function renamedColumn(table: Table, column: BoundColumn): TableColumn | undefined {
  const declared = column.metadata.entityMetadata.columns.map(({ databaseName }) => databaseName)
  const orphans = table.columns.filter(({ name }) => !declared.includes(name))
  const missing = declared.filter((name) => !table.findColumnByName(name))
  return orphans.length === 1 && missing.length === 1 ? orphans[0] : undefined
}

async function contents(
  queryRunner: QueryRunner,
  column: BoundColumn,
  old: TableColumn | undefined,
  sameName: TableColumn | undefined,
): Promise<ColumnChange['holds']> {
  if (!old) return { plaintext: false, ciphertext: false }
  // Under another name only the type tells: what is of a binary type already was encrypted.
  if (!sameName)
    return { plaintext: kindOf(old.type) !== 'binary', ciphertext: kindOf(old.type) === 'binary' }
  const { entityMetadata, propertyPath } = column.metadata
  const status = await columnStatus(queryRunner, entityMetadata.name, propertyPath)
  const isBinary = kindOf(old.type) === 'binary'
  const empty = status.rows === status.null
  return {
    plaintext: status.plaintext > 0 || (empty && !isBinary && column.scheme.options.storage !== 'text'),
    ciphertext: status.ciphertext.length > 0 || status.bare > 0,
  }
}

/** Always said: a column that says nothing gets the table's, which may be another one. */
function characterSet(collation: string | undefined): string {
  return collation === undefined ? '' : ` CHARACTER SET ${charsetOf(collation)} COLLATE ${collation}`
}
