import { type DataSource, type EntityMetadata, type QueryRunner, type Table, type TableColumn } from 'typeorm'
import { kindOf } from '../dialects/column-layout'
import { dialectOf, type Dialect } from '../dialects'
import { ColumnTypeError } from '../errors'
import { type BoundColumn } from './bound-column'
import { boundColumn, boundColumns } from './bound-columns'
import { type ColumnMetadata } from './typeorm-types'
import { escapedPath } from '../dialects/escaped-path'

/**
 * Looks at what `synchronize` is about to do to encrypted columns. TypeORM drops a column whose type or length
 * changed, or whose name did, and adds it anew: with all its values. A mere widening is done here instead; anything
 * else is refused while there are values, before the first statement.
 *
 * @throws ColumnTypeError
 */
export async function keepEncryptedColumns(dataSource: DataSource): Promise<void> {
  const entities = dataSource.entityMetadatas.filter(
    ({ tableType, synchronize }) => tableType !== 'view' && synchronize,
  )
  if (!entities.some((metadata) => boundColumns(metadata).length > 0)) return
  const queryRunner = dataSource.createQueryRunner('master')
  try {
    for (const metadata of entities) {
      const table = await queryRunner.getTable(metadata.tablePath)
      if (table) await keepColumns(dataSource, queryRunner, metadata, table)
    }
  } finally {
    await queryRunner.release()
  }
}

async function keepColumns(
  { driver, options }: DataSource,
  queryRunner: QueryRunner,
  metadata: EntityMetadata,
  table: Table,
): Promise<void> {
  const dialect = dialectOf(options)
  const escaped = escapedPath(metadata.tablePath, (name) => driver.escape(name))
  const holdsValue = async (name: string, condition = ''): Promise<boolean> => {
    const column = driver.escape(name)
    const rows: unknown = await queryRunner.query(
      `SELECT 1 AS n FROM ${escaped} WHERE ${column} IS NOT NULL${condition} LIMIT 1`,
    )
    return Array.isArray(rows) && rows.length > 0
  }
  const changed = driver.findChangedColumns(table.columns, metadata.columns)
  for (const column of boundColumns(metadata)) {
    const { databaseName } = column.metadata
    const now = table.findColumnByName(databaseName)
    if (!now) {
      await refuseRenaming(column, dialect, table, (name) => driver.escape(name), holdsValue)
    } else if (changed.includes(column.metadata) && dropsValues(dialect, now, column)) {
      if (!(await holdsValue(databaseName))) continue
      const widening = wideningOf(now, column)
      if (!widening)
        throw wouldDrop(
          placeOf(column.metadata),
          `its type changes from ${sqlType(now)} to ${declaredType(column)}`,
        )
      const layout = {
        dialect,
        place: { entity: metadata.name, property: column.metadata.propertyPath },
        storage: column.scheme.options.storage ?? 'binary',
        path: metadata.tablePath,
        table: escaped,
        name: driver.escape(databaseName),
        type: now.type,
        kind: kindOf(now.type),
        nullable: now.isNullable,
        capacity: undefined,
      } as const
      await queryRunner.query(dialect.changeType(layout, widening))
    }
  }
  for (const column of changed) {
    const now = table.findColumnByName(column.databaseName)
    if (!now || boundColumn(column) || dialect.name === 'sqlite' || driver.normalizeType(column) === now.type)
      continue
    if (await holdsCiphertexts(dialect, now, (name) => driver.escape(name), holdsValue))
      throw wouldDrop(
        placeOf(column),
        'it holds ciphertexts, and is declared without @KmsEncrypted() now. To give encryption up, first run typeorm-kms decrypt with the former declaration',
      )
  }
}

/** Whether values of the column begin like ciphertexts of this library, as bytes or as base64. */
async function holdsCiphertexts(
  dialect: Dialect,
  { name, type }: TableColumn,
  escape: (name: string) => string,
  holdsValue: (name: string, condition: string) => Promise<boolean>,
): Promise<boolean> {
  const kind = kindOf(type)
  if (kind === 'other') return false
  const bytes = dialect.bytesSql({ kind, name: escape(name) })
  const starts = `SUBSTR(${bytes}, 1, 2) = ${dialect.bytesLiteral('c101')} OR SUBSTR(${bytes}, 1, 3) = ${dialect.bytesLiteral('775145')}`
  return holdsValue(name, ` AND (${starts})`)
}

/** A column that is missing, beside one with ciphertexts that is to be dropped: it was renamed. */
async function refuseRenaming(
  column: BoundColumn,
  dialect: Dialect,
  table: Table,
  escape: (name: string) => string,
  holdsValue: (name: string, condition?: string) => Promise<boolean>,
): Promise<void> {
  const { columns } = column.metadata.entityMetadata
  for (const old of table.columns) {
    if (columns.some(({ databaseName }) => databaseName === old.name)) continue
    if (await holdsCiphertexts(dialect, old, escape, holdsValue))
      throw wouldDrop(
        placeOf(column.metadata),
        `the column ${old.name}, which holds ciphertexts, is no longer declared (was it renamed?)`,
      )
  }
}

/** SQLite copies the values into a new table; the others drop the column where its type or length changes. */
function dropsValues({ name }: Dialect, now: TableColumn, column: BoundColumn): boolean {
  return name !== 'sqlite' && sqlType(now) !== declaredType(column)
}

function sqlType({ type, length }: { type: unknown; length: string }): string {
  return /^var(?:char|binary)$/.test(String(type)) && length ? `${String(type)}(${length})` : String(type)
}

function declaredType({ metadata }: BoundColumn): string {
  return sqlType(metadata)
}

const FAMILIES = [
  ['varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob'],
  ['varchar', 'tinytext', 'text', 'mediumtext', 'longtext'],
]

/** The declared type, if all that the column can hold now fits into it as it is. */
function wideningOf(now: TableColumn, column: BoundColumn): string | undefined {
  const type = String(column.metadata.type)
  const family = FAMILIES.find((types) => types.includes(now.type) && types.includes(type))
  if (!family) return undefined
  const [from, to] = [family.indexOf(now.type), family.indexOf(type)]
  const isWider =
    from === to ? Number(column.metadata.length) >= Number(now.length) : from < to && type !== family[1]
  return isWider ? declaredType(column) : undefined
}

function placeOf({ entityMetadata, propertyPath }: ColumnMetadata): { entity: string; property: string } {
  return { entity: entityMetadata.name, property: propertyPath }
}

function wouldDrop(place: { entity: string; property: string }, reason: string): Error {
  return new ColumnTypeError(
    `synchronize would drop the column with all its values, and add it anew: ${reason}. Nothing was changed. Write the migration with typeorm-kms migration:generate, which keeps the values, and run it first.`,
    place,
  )
}
