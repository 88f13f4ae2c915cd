import { type DataSourceOptions, type QueryRunner, type TableColumn } from 'typeorm'
import { ColumnTypeError } from '../../errors'
import { type BoundColumn } from '../../orm/bound-column'
import { dataSourceOf } from '../target'
import { type ColumnMetadata } from '../../orm/typeorm-types'

export type Database = 'mysql' | 'postgres' | 'sqlite'

/** What a database column takes: bytes, text, or neither (a number, a date, JSON). */
export type ColumnKind = 'binary' | 'text' | 'other'

/** A column of the primary key. */
export interface KeyColumn {
  /** Name of the property, for people. */
  property: string
  /** Escaped name. */
  sql: string
  /** Type as the database names it, e.g. `bigint` or `character varying(36)`. */
  type: string
}

/** One encrypted column as the database has it now, which before a migration is not as the entity declares it. */
export interface ColumnLayout {
  database: Database
  column: BoundColumn
  /** Escaped table path and column name. */
  table: string
  name: string
  keys: readonly KeyColumn[]
  type: string
  kind: ColumnKind
  nullable: boolean
  /** Most bytes (`binary`) or characters (`text`) that the type takes; `undefined` for no limit that matters. */
  capacity: number | undefined
}

/** Reads the layout. Throws `ColumnTypeError` if the table or the column is not in the database. */
export async function readLayout(queryRunner: QueryRunner, column: BoundColumn): Promise<ColumnLayout> {
  const { metadata } = column
  const { entityMetadata } = metadata
  const { driver, options } = dataSourceOf(queryRunner)
  const escape = (name: string): string => driver.escape(name)
  const table = entityMetadata.tablePath.split('.').map(escape).join('.')
  const found = (await queryRunner.getTable(entityMetadata.tablePath))?.findColumnByName(
    metadata.databaseName,
  )
  if (!found) {
    throw column.error(
      ColumnTypeError,
      `the database has no column ${metadata.databaseName} in the table ${entityMetadata.tablePath}. Run the schema migrations first.`,
    )
  }
  const database = databaseOf(options)
  return {
    database,
    column,
    table,
    name: escape(metadata.databaseName),
    keys: await keyColumns(queryRunner, entityMetadata.primaryColumns, table, database, escape),
    type: found.type,
    kind: kindOf(found.type),
    nullable: found.isNullable,
    capacity: capacityOf(database, found, await bytesPerCharacter(queryRunner, database, table, found)),
  }
}

export function databaseOf({ type }: Pick<DataSourceOptions, 'type'>): Database {
  return type === 'postgres' ? 'postgres' : type === 'better-sqlite3' ? 'sqlite' : 'mysql'
}

export function kindOf(type: string): ColumnKind {
  if (/blob|binary|bytea/i.test(type)) return 'binary'
  return /char|text|clob/i.test(type) ? 'text' : 'other'
}

const MYSQL_CAPACITY: Readonly<Record<string, number>> = {
  tinyblob: 255,
  tinytext: 255,
  blob: 65_535,
  text: 65_535,
  mediumblob: 2 ** 24 - 1,
  mediumtext: 2 ** 24 - 1,
}

function capacityOf(database: Database, { type, length }: TableColumn, width: number): number | undefined {
  if (database === 'sqlite') return undefined
  const known = database === 'mysql' ? MYSQL_CAPACITY[type] : undefined
  return known === undefined ? (length ? Number(length) : undefined) : Math.floor(known / width)
}

/** Character sets in which even a digit of base64 takes more than a byte; MySQL's texts are limited in bytes. */
const WIDE: Readonly<Record<string, number>> = { ucs2: 2, utf16: 2, utf16le: 2, utf32: 4 }

async function bytesPerCharacter(
  queryRunner: QueryRunner,
  database: Database,
  table: string,
  { name, type }: TableColumn,
): Promise<number> {
  if (database !== 'mysql' || kindOf(type) !== 'text') return 1
  return WIDE[charsetOf(await mysqlCollation(queryRunner, table, name))] ?? 1
}

/** The collation of a text column; TypeORM does not tell that of the database's default character set. */
export async function mysqlCollation(queryRunner: QueryRunner, table: string, name: string): Promise<string> {
  const [column] = (await queryRunner.query(`SHOW FULL COLUMNS FROM ${table} WHERE Field = ?`, [name])) as [
    { Collation: string },
  ]
  return column.Collation
}

/** The character set of a collation: `latin1` of `latin1_swedish_ci`. */
export function charsetOf(collation: string): string {
  return collation.split('_')[0]!
}

async function keyColumns(
  queryRunner: QueryRunner,
  columns: readonly ColumnMetadata[],
  table: string,
  database: Database,
  escape: (name: string) => string,
): Promise<KeyColumn[]> {
  const types = database === 'postgres' ? await postgresTypes(queryRunner, table) : undefined
  const { driver } = dataSourceOf(queryRunner)
  return columns.map((column) => ({
    property: column.propertyPath,
    sql: escape(column.databaseName),
    type: types?.get(column.databaseName) ?? driver.normalizeType(column),
  }))
}

async function postgresTypes(queryRunner: QueryRunner, table: string): Promise<Map<string, string>> {
  const rows = (await queryRunner.query(
    'SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0',
    [table],
  )) as { name: string; type: string }[]
  return new Map(rows.map(({ name, type }) => [name, type]))
}
