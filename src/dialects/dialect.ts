import { type ColumnType, type QueryRunner } from 'typeorm'
import { type ValueTypeName } from '../column/types/value-type'
import { type BytesSql } from './bytes-sql'
import { type ColumnLayout, type RowsLayout, type TableLayout } from './column-layout'
import { type Language } from './lexical-rules'
import { type OnlyConnection } from './only-connection'
import { type RowColumn } from './row-column'
import { type ColumnRows } from './rows/column-rows'
import { type KeyColumn } from './rows/key-order'
import { type MigrationSteps } from './steps'

/** Type and length of a column in the database. */
export interface StoredType {
  type: ColumnType
  length?: number
}

/** Why a statement failed, as far as it matters to a pass over a table. */
export type StatementFailure =
  /** A table that the statement names is not there. Not every database says so in a code. */
  | 'no-table'
  /** Somebody else holds a lock for too long. */
  | 'locked'
  /** The server gave up on one of two transactions that waited for each other; it can be repeated. */
  | 'deadlock'
  /** The column cannot hold a value: it is too long, or has a character that the column's character set lacks. */
  | 'value-refused'
  /** A constraint, an index or a trigger of the table is against the value. */
  | 'constraint'
  /** The role may not do it. */
  | 'denied'
  /** A policy for rows is against it, or would hide some where the session allows no hiding. */
  | 'policy'

/** A column of the primary key as the entity declares it. */
export interface KeyName {
  property: string
  /** Name of the column in the database. */
  name: string
}

/** A table and how it is escaped. */
export interface TableName {
  /** Path as TypeORM has it, e.g. `schema.table`. */
  path: string
  /** The same, escaped. */
  sql: string
  readonly escape: (name: string) => string
}

/** What is asked of a query runner where its statements are not to be guarded. */
export interface Queries {
  query(sql: string, parameters?: unknown[]): Promise<unknown>
}

/** What a connected driver of TypeORM knows of its connection. */
export interface Connected {
  readonly database?: string | undefined
  readonly schema?: string | undefined
  readonly searchSchema?: string | undefined
}

/** A column as TypeORM reads it from the database. */
export interface DatabaseColumn {
  name: string
  type: string
  length: string
}

/** Row level security; or a view or foreign table, which shows what it selects of the tables behind it. */
export type HiddenBy = 'policy' | 'view'

/**
 * All that differs from database to database, as one object a database: a new one is a folder beside the others and
 * a line in `index.ts`. Nothing else in this library asks which database it works on.
 */
export interface Dialect extends BytesSql {
  /** MariaDB goes by `mysql`. For people and for tests: code asks the dialect to do things, not for its name. */
  readonly name: 'mysql' | 'postgres' | 'sqlite'
  /** The connection, where a DataSource has one in all, so that nothing can be written beside it. */
  readonly onlyConnection: OnlyConnection | undefined
  /** What of an entity names the schema of its table; `undefined` where there are none. */
  readonly namespace: 'schema' | 'database' | undefined
  /** True if a column cannot have the name: the database would refuse it, or cut it off and say nothing. */
  isTooLong(name: string): boolean
  /** True if a binary column can hold nothing but bytes. In SQLite each value has a type of its own. */
  readonly binaryColumnsHoldBytes: boolean
  /** True if the driver takes a `HiddenParameter`. */
  readonly hidesParameters: boolean

  // --- Statements ---

  /** How statements are read, as this connected driver of TypeORM sends them. */
  language(driver: object): Language
  /** Schemas and databases that the bare name of a table stands for. The driver asks for them when it connects. */
  defaultSchemas(driver: Connected): readonly string[]

  /**
   * Whether the session is in a transaction; only of a database that may end one with a statement that fails, and take
   * the next one as one of its own. `undefined` if the driver does not tell.
   */
  isInTransaction?(queries: Queries): Promise<boolean | undefined>

  /** Statements around reads, between which the session writes nothing. */
  readonly readOnly: { readonly begin: string; readonly end: string }

  // --- Types ---

  /** The type of a column that holds ciphertexts of at most `length` bytes, or of any length. */
  storedType(storage: 'binary' | 'text', length: number | undefined): StoredType
  /** The type of a column that holds a blind index: `length` bytes, or twice as many hexadecimal digits. */
  indexType(storage: 'binary' | 'text', length: number): StoredType
  /** What an application gave as a parameter, of what TypeORM's driver made of it. Default: what it gave. */
  givenValue?(type: ValueTypeName, parameter: unknown): unknown
  /** The name of a type, as SQL, for a column that has to hold `length` bytes; `declared` if it has room. */
  roomyType(storage: 'binary' | 'text', length: number, declared: { sql: string; length: number }): string
  /** True if a column of this layout takes ciphertexts in its storage. */
  takesCiphertext(layout: ColumnLayout): boolean
  /** Statements that change the type of a column and keep its values. */
  changeType(layout: ColumnLayout, type: string): string
  /** Most bytes or characters of a column; `undefined` for no limit that matters. */
  capacityOf(queryRunner: QueryRunner, table: string, column: DatabaseColumn): Promise<number | undefined>
  /** What stands behind the type of a text column so that it keeps its character set and collation, as SQL. */
  textOptions(queryRunner: QueryRunner, table: string, name: string): Promise<string>
  /** An expression as text, whatever its type. */
  readonly textSql: (expression: string) => string
  /** False for a text with a character that no text column takes. */
  isStorableText(text: Buffer): boolean

  // --- Rows ---

  /**
   * The columns of the primary key as the catalogue of the database has them, each in a form that can be paged.
   * Throws `NoPrimaryKeyError` for one that cannot, or that does not tell rows apart.
   */
  readKeys(queryRunner: QueryRunner, table: TableName, keys: readonly KeyName[]): Promise<KeyColumn[]>
  /** True if `SELECT … FOR UPDATE` locks rows. Elsewhere one writer waits for the other. */
  readonly locksRows: boolean
  /** Those of these columns that the table has, by name; none if there is no such table. */
  rowColumns(
    queryRunner: Queries,
    table: TableName,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, RowColumn>>
  /** True if keys that an INSERT makes are had by RETURNING alone, and TypeORM does not ask for them. */
  readonly mustReturnKeys: boolean
  /** How far the keys of rows lie apart that one INSERT makes. */
  keyStep(queryRunner: Queries): Promise<number>
  /**
   * The columns of each unique key of the table, the primary key included, where a statement does not say by which one
   * it finds the row that it updates instead of inserting. None where every statement does.
   */
  uniqueKeys(queryRunner: Queries, table: TableName): Promise<readonly (readonly string[])[]>
  /** The rows of a column over one connection. */
  openRows(queryRunner: QueryRunner, layout: RowsLayout): Promise<ColumnRows>
  /** Waits no longer than `timeout` milliseconds for somebody else's lock. Returns what undoes it. */
  limitLockWait(queryRunner: QueryRunner, timeout: number): Promise<() => Promise<void>>
  /** Has the keys of a table written and compared without loss, where the session decides on it. Returns what undoes it. */
  fixFormats(queryRunner: QueryRunner, keys: readonly KeyColumn[]): Promise<() => Promise<void>>
  failureOf(error: unknown): StatementFailure | undefined

  // --- Findings ---

  /** True if this session cuts off values that are too long and says nothing; `undefined` where none can. */
  cutsOffValues(queryRunner: QueryRunner): Promise<boolean | undefined>

  /** Names of the triggers and rules of the table: each may change what is stored. */
  triggers(queryRunner: QueryRunner, layout: TableLayout): Promise<string[]>
  /** Escaped names of the rules of the table that do something else instead of an UPDATE. */
  replacedUpdates(queryRunner: QueryRunner, layout: TableLayout): Promise<string[]>
  /**
   * The foreign keys that have the column on either side, for people: the database writes the other table with it, or
   * refuses to write.
   */
  foreignKeys(queryRunner: QueryRunner, layout: TableLayout, column: string): Promise<string[]>
  /**
   * The statements that make the table's indexes anew as they are, by name: with prefix lengths, operator classes,
   * conditions and expressions, not all of which TypeORM knows of.
   */
  indexDefinitions(queryRunner: QueryRunner, layout: TableLayout): Promise<ReadonlyMap<string, string>>
  /**
   * The indexes that have the column in an expression, of which TypeORM sees nothing, by their escaped path: the
   * statements that make them anew. None where TypeORM makes whole tables anew, or the database has no such indexes.
   */
  expressionIndexes(
    queryRunner: QueryRunner,
    layout: TableLayout,
    column: string,
  ): Promise<ReadonlyMap<string, string>>
  /** True if rows can be changed through a view or a foreign table. */
  readonly changesViews: boolean
  /** What may leave rows out of what this role sees of the table; `undefined` if nothing does. */
  hiddenBy(queryRunner: QueryRunner, layout: TableLayout): Promise<HiddenBy | undefined>
  /** What stands for the table in FROM where earlier versions of its rows are wanted; `undefined` if it keeps none. */
  allVersions(queryRunner: QueryRunner, layout: TableLayout): Promise<string | undefined>

  /**
   * How the database compares, or compared, the texts of a column, if that is not by their bytes: an expression that is
   * equal for equal texts, and the collation's name.
   */
  comparedAs(
    queryRunner: QueryRunner,
    layout: ColumnLayout,
  ): Promise<{ sql: string; name: string } | undefined>

  // --- Migrations ---

  /** What generated migrations are made of. */
  readonly steps: MigrationSteps
}
