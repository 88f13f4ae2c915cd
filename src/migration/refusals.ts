import {
  ColumnTypeError,
  type KmsEncryptionError,
  NotRepresentableError,
  NotUniqueError,
  RowsHiddenError,
  TableAccessError,
  TableLockedError,
} from '../errors'
import { type QueryRunner } from 'typeorm'
import { type Dialect } from '../dialects'
import { mayQuoteValue } from '../dialects/failure'
import { type BoundColumn } from '../orm/bound-column'
import { rowsKept } from './column-contents'
import { type ColumnLayout } from './rows/column-layout'
import { violatedIndex } from '../orm/search/unique-violation'

/** What a statement failed with, named where it is a lock, a value or the table that is in the way. */
export function explained(error: unknown, dialect: Dialect, column: BoundColumn): unknown {
  const cause = mayQuoteValue(error) ? undefined : error
  switch (dialect.failureOf(error)) {
    case 'locked':
      return column.error(
        TableLockedError,
        'another session holds a lock on the table or on a row of it. Wait until it ends (MySQL: SHOW PROCESSLIST; PostgreSQL: pg_stat_activity; SQLite: another process that writes) or raise lockTimeout.',
        error,
      )
    case 'value-refused':
      return column.error(
        NotRepresentableError,
        'the database refuses the value: the column is too short for it, or its character set lacks something. Widen the column.',
        cause,
      )
    case 'constraint':
      if (isDuplicate(error, column)) return notUnique(column, cause)
      return column.error(ColumnTypeError, refusedByTable(error, dialect, column), cause)
    case 'policy':
      return column.error(RowsHiddenError, rowsKept(column.metadata.entityMetadata.tablePath), error)
    case 'denied':
      return column.error(
        TableAccessError,
        `the database role may not read or change the table ${column.metadata.entityMetadata.tablePath}. Grant it SELECT, and UPDATE where something is to be written, or connect as another role.`,
        error,
      )
    default:
      return error
  }
}

/** An UPDATE of the column would change rows of the other table as well, set them to NULL, or fail. */
export async function refuseForeignKeys(queryRunner: QueryRunner, layout: ColumnLayout): Promise<void> {
  const { column } = layout
  const keys = await layout.dialect.foreignKeys(queryRunner, layout, column.metadata.databaseName)
  if (keys.length > 0) throw column.error(ColumnTypeError, inForeignKeys(keys))
}

/** An UPDATE of the table would do something else, and tell of no row that it wrote. */
export async function refuseRules(queryRunner: QueryRunner, layout: ColumnLayout): Promise<void> {
  const { column, dialect, table } = layout
  const [rule, ...others] = await dialect.replacedUpdates(queryRunner, layout)
  if (rule === undefined) return
  const names = [rule, ...others].join(', ')
  throw column.error(
    ColumnTypeError,
    `the table ${table} has ${others.length === 0 ? 'the rule' : 'the rules'} ${names}, which ${others.length === 0 ? 'does' : 'do'} something else instead of an UPDATE (DO INSTEAD). Disable ${others.length === 0 ? 'it' : 'them'} meanwhile: ALTER TABLE ${table} DISABLE RULE ${rule}; No row was changed.`,
  )
}

/** Why a column cannot be encrypted as long as it has these foreign keys. */
export function inForeignKeys(keys: readonly string[]): string {
  return `the column is part of ${keys.length === 1 ? 'a foreign key' : 'foreign keys'} (${keys.join(', ')}): with each ciphertext the database would change the rows of the other table, or refuse it. Drop ${keys.length === 1 ? 'it' : 'them'} first, and have those rows refer to another column. No row was changed.`
}

/** True if a blind index of the column is unique, and has the value already. */
export function isDuplicate(error: unknown, { indexes }: BoundColumn): boolean {
  const { message } = (error ?? {}) as { message?: unknown }
  return typeof message === 'string' && violatedIndex(indexes, message) !== undefined
}

function notUnique(column: BoundColumn, cause: unknown): KmsEncryptionError {
  return column.error(
    NotUniqueError,
    'another row has the same value, as its blind index compares them, and the column is declared unique. Change one of the two rows, or leave unique out.',
    cause,
  )
}

/** A constraint names itself, and a driver may show the row with it: only the name is passed on. */
function refusedByTable(error: unknown, dialect: Dialect, { metadata }: BoundColumn): string {
  const found = constraintOf(error)
  const what = found ? `${found.name} of the table` : 'a constraint, an index or a trigger of the table'
  const remedy = remedyFor(found, dialect, metadata.entityMetadata.tablePath, metadata.databaseName)
  return `${what} does not take what is to be stored in the column ${metadata.databaseName}: what was meant for its values does not hold for ciphertexts, which are longer and look like noise. ${remedy}.`
}

interface Named {
  readonly name: string
  /** A CHECK that belongs to a column has no name of its own on MariaDB: `table.column` stands for it. */
  readonly kind: 'of a column' | 'index' | 'not told'
}

function remedyFor(found: Named | undefined, dialect: Dialect, table: string, column: string): string {
  switch (found?.kind) {
    case undefined:
      return 'Drop it, or change it so that it leaves the column alone'
    case 'of a column':
      return `Drop or change it first (ALTER TABLE ${table} MODIFY ${column} with its definition, as SHOW CREATE TABLE ${table} has it, without the CHECK)`
    case 'index':
      return `Drop or change it first (DROP INDEX ${found.name}${dialect.name === 'mysql' ? ` ON ${table}` : ''})`
    case 'not told':
      return `Drop or change it first (ALTER TABLE ${table} DROP CONSTRAINT ${found.name}; or DROP INDEX ${found.name} if it is an index)`
  }
}

function constraintOf(error: unknown): Named | undefined {
  const { driverError = error } = (error ?? {}) as { driverError?: unknown }
  const { constraint, message } = driverError as { constraint?: unknown; message?: unknown }
  if (typeof constraint === 'string') return { name: constraint, kind: 'not told' }
  if (typeof message !== 'string') return undefined
  const ofColumn = /CONSTRAINT `([^`.]+\.[^`]+)` failed/.exec(message)?.[1]
  if (ofColumn !== undefined) return { name: `the CHECK of ${ofColumn}`, kind: 'of a column' }
  const check =
    /CONSTRAINT `([^`]+)` failed/.exec(message)?.[1] ?? /Check constraint '([^']+)'/.exec(message)?.[1]
  if (check !== undefined) return { name: check, kind: 'not told' }
  // MySQL says table.index.
  const index =
    /for key '(?:[^'.]+\.)?([^']+)'/.exec(message)?.[1] ?? /index ["']([^"']+)["']/.exec(message)?.[1]
  return index === undefined ? undefined : { name: index, kind: 'index' }
}
