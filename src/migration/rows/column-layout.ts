import { type QueryRunner } from 'typeorm'
import { type ColumnLayout as TableColumnLayout, kindOf, type RowsLayout } from '../../dialects/column-layout'
import { dialectOf } from '../../dialects'
import { type Dialect } from '../../dialects/dialect'
import { ColumnTypeError } from '../../errors'
import { type BoundColumn } from '../../orm/bound-column'
import { type BlindIndex } from '../../orm/search/blind-index'
import { columnsOfIndex } from '../../orm/search/index-of-row'
import { readTable } from '../read-table'
import { dataSourceOf } from '../target'
import { escapedPath } from '../../dialects/escaped-path'

export { type ColumnKind } from '../../dialects/bytes-sql'
export { kindOf } from '../../dialects/column-layout'

/** An encrypted column of an entity, and how the database has it now. */
export interface ColumnLayout extends TableColumnLayout {
  readonly dialect: Dialect
  readonly column: BoundColumn
}

/** Reads the layout. Throws `ColumnTypeError` if the table or the column is not in the database. */
export async function readLayout(queryRunner: QueryRunner, column: BoundColumn): Promise<ColumnLayout> {
  const { entityMetadata, databaseName, propertyPath } = column.metadata
  const { driver, options } = dataSourceOf(queryRunner)
  const dialect = dialectOf(options)
  const escape = (name: string): string => driver.escape(name)
  const path = entityMetadata.tablePath
  const table = escapedPath(path, escape)
  const found = (await readTable(queryRunner, path))?.findColumnByName(databaseName)
  if (!found) {
    throw column.error(
      ColumnTypeError,
      `the database has no column ${databaseName} in the table ${path}. Run the schema migrations first; if it is a view, map an entity to the table behind it.`,
    )
  }
  return {
    dialect,
    column,
    place: { entity: entityMetadata.name, property: propertyPath },
    storage: column.scheme.options.storage ?? 'binary',
    path,
    table,
    name: escape(databaseName),
    type: found.type,
    kind: kindOf(found.type),
    nullable: found.isNullable,
    capacity: await dialect.capacityOf(queryRunner, table, found),
  }
}

/** Adds the primary key. Throws `NoPrimaryKeyError` if rows cannot be told apart or gone through in its order. */
export async function withKeys(
  queryRunner: QueryRunner,
  layout: ColumnLayout,
  indexes: readonly BlindIndex[] = [],
): Promise<RowsLayout> {
  const { column, dialect, path, table } = layout
  const { driver } = dataSourceOf(queryRunner)
  const escape = (name: string): string => driver.escape(name)
  const names = column.metadata.entityMetadata.primaryColumns.map((key) => ({
    property: key.propertyPath,
    name: key.databaseName,
  }))
  try {
    const keys = await dialect.readKeys(queryRunner, { path, sql: table, escape }, names)
    const others = indexes.filter(({ isCompound }) => isCompound).flatMap(columnsOfIndex)
    const needed = new Set([...column.recipes.opensBy.map(({ name }) => name), ...others])
    needed.delete(column.metadata.databaseName)
    const bound = [...needed].map((name) => ({ name, sql: escape(name) }))
    const beside = indexes.map(({ metadata }) => escape(metadata.databaseName))
    return { ...layout, keys, bound, beside }
  } catch (error) {
    throw column.placed(error)
  }
}
