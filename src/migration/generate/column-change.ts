import { type QueryRunner, type Table, type TableColumn } from 'typeorm'
import { type ChangedColumn, type NewColumn } from '../../dialects/steps'
import { dialectOf } from '../../dialects'
import { IndexColumn } from '../../column/index-column'
import { type BoundColumn } from '../../orm/bound-column'
import { boundColumn } from '../../orm/bound-columns'
import { kindOf } from '../rows/column-layout'
import { requireAllRows } from '../column-contents'
import { columnStatus } from '../status'
import { readTable } from '../read-table'
import { dataSourceOf } from '../target'
import { requireDeclaredType } from '../declared-type'
import { escapedPath } from '../../dialects/escaped-path'

/** How one encrypted column of the database differs from what the entity declares. */
export type ColumnChange = Addition | Alteration

interface Addition {
  kind: 'addition'
  bound: BoundColumn
  column: NewColumn
  /** Columns of its blind indexes that the table has not got. */
  indexColumns: readonly NewColumn[]
}

export interface Alteration {
  kind: 'alteration'
  bound: BoundColumn
  column: ChangedColumn
  indexColumns: readonly NewColumn[]
  /** Indexes and unique constraints that the column is in now. */
  indexes: readonly string[]
  /** Those that have it in an expression, which TypeORM does not see: by their path, what makes them anew. */
  expressionIndexes: ReadonlyMap<string, string>
}

/** Compares a column; `undefined` if there is nothing to do, or its table is new. */
export async function columnChange(
  queryRunner: QueryRunner,
  bound: BoundColumn,
): Promise<ColumnChange | undefined> {
  const table = await readTable(queryRunner, bound.metadata.entityMetadata.tablePath)
  if (!table) return undefined
  const column = declaredColumn(queryRunner, bound)
  const indexColumns = bound.indexes.flatMap(({ metadata }) =>
    table.findColumnByName(metadata.databaseName)
      ? []
      : declaredColumn(queryRunner, { scheme: bound.scheme, metadata }),
  )
  const sameName = table.findColumnByName(column.name)
  const old = sameName ?? renamedColumn(table, bound)
  if (!old) return { kind: 'addition', bound, column, indexColumns }
  // Whether there is plaintext is known of all rows, or a migration would lose those that are hidden.
  await requireAllRows(queryRunner, bound)
  const fullType = await fullTypeOf(queryRunner, old, column)
  const changed: ChangedColumn = {
    ...column,
    old: {
      name: old.name,
      type: old.type,
      fullType,
      kind: kindOf(old.type),
      nullable: old.isNullable,
      length: old.length || undefined,
      default: defaultOf(old),
      comment: old.comment ?? undefined,
    },
    holds: await contents(queryRunner, bound, old, sameName !== undefined),
  }
  const sameType = fullType.split(' ')[0]?.toLowerCase() === column.type.toLowerCase()
  if (sameName && sameType && !changed.holds.plaintext) return undefined
  if (changed.holds.plaintext) await requireDeclaredType(queryRunner, bound, { column: old.name })
  const { options } = dataSourceOf(queryRunner)
  const { tablePath: path, tableSql } = column
  return {
    kind: 'alteration',
    bound,
    column: changed,
    indexColumns,
    indexes: indexesOf(table, old.name),
    expressionIndexes: await dialectOf(options).expressionIndexes(
      queryRunner,
      { path, table: tableSql },
      old.name,
    ),
  }
}

function declaredColumn(
  queryRunner: QueryRunner,
  { metadata, scheme }: Pick<BoundColumn, 'metadata' | 'scheme'>,
): NewColumn {
  const { driver } = dataSourceOf(queryRunner)
  const { entityMetadata, propertyPath, databaseName, length, isNullable } = metadata
  const type = driver.normalizeType(metadata)
  return {
    entity: entityMetadata.name,
    property: propertyPath,
    tablePath: entityMetadata.tablePath,
    name: databaseName,
    tableSql: escapedPath(entityMetadata.tablePath, (part) => driver.escape(part)),
    nameSql: driver.escape(databaseName),
    valueType: scheme.type.name,
    type: length ? `${type}(${length})` : type,
    kind: kindOf(type),
    nullable: isNullable,
  }
}

/** With character set and collation: a column that says nothing gets the table's, which may be another one. */
async function fullTypeOf(
  queryRunner: QueryRunner,
  old: TableColumn,
  { tableSql }: NewColumn,
): Promise<string> {
  const { driver, options } = dataSourceOf(queryRunner)
  // The length that a floating point number is shown with is no part of its type.
  const type = driver.createFullType(old).replace(/^(double|float)\(\d+\)/i, '$1')
  if (kindOf(old.type) !== 'text') return type
  return type + (await dialectOf(options).textOptions(queryRunner, tableSql, old.name))
}

/** `NULL` is what a column without a default has. */
function defaultOf({ default: given }: TableColumn): string | undefined {
  const value = given as string | null | undefined
  return value === 'NULL' ? undefined : (value ?? undefined)
}

/** The one column of the table that nothing in the entity has, if one column of the entity is not in the table. */
function renamedColumn(table: Table, { metadata }: BoundColumn): TableColumn | undefined {
  const { columns } = metadata.entityMetadata
  // The column of an index is made anew, and none that is left out becomes another column.
  const values = columns.filter(({ transformer }) => !IndexColumn.of(transformer))
  const declared = values.map(({ databaseName }) => databaseName)
  const isOfIndex = (name: string): boolean =>
    values.some((each) => boundColumn(each) !== undefined && name.startsWith(`${each.databaseName}_`)) ||
    columns.some(({ databaseName }) => databaseName === name)
  const orphans = table.columns.filter(({ name }) => !declared.includes(name) && !isOfIndex(name))
  const missing = declared.filter((name) => !table.findColumnByName(name))
  return orphans.length === 1 && missing.length === 1 ? orphans[0] : undefined
}

function indexesOf({ indices, uniques }: Table, column: string): string[] {
  return [...indices, ...uniques]
    .filter(({ columnNames }) => columnNames.includes(column))
    .map(({ name }) => name ?? '')
}

async function contents(
  queryRunner: QueryRunner,
  { metadata, scheme }: BoundColumn,
  old: TableColumn,
  sameName: boolean,
): Promise<ChangedColumn['holds']> {
  const isBinary = kindOf(old.type) === 'binary'
  // Under another name only the type tells: what is of a binary type already was encrypted.
  if (!sameName) return { plaintext: !isBinary, ciphertext: isBinary }
  const status = await columnStatus(queryRunner, metadata.entityMetadata.name, metadata.propertyPath)
  const empty = status.rows === status.null
  return {
    plaintext: status.plaintext > 0 || (empty && !isBinary && scheme.options.storage !== 'text'),
    ciphertext: status.ciphertext.length > 0 || status.bare > 0,
  }
}
