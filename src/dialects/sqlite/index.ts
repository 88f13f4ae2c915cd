import { type ColumnLayout } from '../column-layout'
import { type Dialect, type StatementFailure } from '../dialect'
import { failureByCode, type FailureCodes } from '../failure'
import { changeSettings } from '../session'
import { type OnlyConnection } from '../only-connection'
import { type Access, attempt, betterSqlite3 } from './connection'
import { givenValue } from './given-value'
import { readKeys } from './keys'
import { sqliteLanguage } from './lexical-rules'
import { rowColumns } from './row-columns'
import { SqliteRows } from './rows'
import { sqljs as sqljsAccess } from './sqljs'
import { steps } from './steps'
import { foreignKeys, TRIGGERS } from './table'

const FAILURES: FailureCodes = {
  SQLITE_BUSY: 'locked',
  SQLITE_LOCKED: 'locked',
  SQLITE_BUSY_SNAPSHOT: 'locked',
  SQLITE_CONSTRAINT_CHECK: 'constraint',
  SQLITE_CONSTRAINT_DATATYPE: 'constraint',
  SQLITE_CONSTRAINT_UNIQUE: 'constraint',
  SQLITE_CONSTRAINT_FOREIGNKEY: 'constraint',
  SQLITE_CONSTRAINT_TRIGGER: 'constraint',
}

const COMMON: Omit<Dialect, 'onlyConnection' | 'openRows' | 'mustReturnKeys' | 'failureOf'> = {
  name: 'sqlite',
  namespace: undefined,
  isTooLong: () => false,
  binaryColumnsHoldBytes: false,
  hidesParameters: false,
  language: () => sqliteLanguage,
  defaultSchemas: ({ database }) => ['main', ...(database ? [database] : [])],
  storedType: (storage) => ({ type: storage === 'text' ? 'text' : 'blob' }),
  indexType: (storage, length) =>
    storage === 'text' ? { type: 'varchar', length: 2 * length } : { type: 'blob' },
  givenValue,
  roomyType: (storage) => (storage === 'text' ? 'text' : 'blob'),
  // A column of any type stores bytes.
  takesCiphertext: () => true,
  changeType: ({ table, name }: ColumnLayout, type: string) =>
    `make the table ${table} anew with the column ${name} of type ${type} (queryRunner.changeColumn in a migration).`,
  capacityOf: () => Promise.resolve(undefined),
  textOptions: () => Promise.resolve(''),
  isStorableText: () => true,
  placeholder: () => '?',
  bytesSql: ({ name }) => `CAST(${name} AS BLOB)`,
  isWholeSql: () => undefined,
  readOnly: { begin: 'PRAGMA query_only = ON', end: 'PRAGMA query_only = OFF' },
  textSql: (expression) => `CAST(${expression} AS TEXT)`,
  bytesLiteral: (hex) => `x'${hex}'`,
  comparedAs: () => Promise.resolve(undefined),
  anyValue: (column) => `MIN(${column})`,
  lengthSql: (bytes) => `OCTET_LENGTH(${bytes})`,
  isTextSql: ({ name }) => `TYPEOF(${name}) = 'text'`,
  readKeys,
  rowColumns,
  locksRows: false,
  keyStep: () => Promise.resolve(1),
  uniqueKeys: () => Promise.resolve([]),
  limitLockWait: (queryRunner, timeout) =>
    changeSettings(
      queryRunner,
      { read: () => 'PRAGMA busy_timeout', set: (_name, value) => `PRAGMA busy_timeout = ${value}` },
      { timeout: String(timeout) },
    ),
  fixFormats: () => Promise.resolve(() => Promise.resolve()),
  expressionIndexes: () => Promise.resolve(new Map<string, string>()),
  indexDefinitions: async (queryRunner, { path }) => {
    const rows = (await queryRunner.query(
      "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND lower(tbl_name) = lower(?)",
      [path.split('.').pop()],
    )) as { name: string; sql: string }[]
    return new Map(rows.map(({ name, sql }) => [name, sql]))
  },
  triggers: async (queryRunner, { path }) => {
    const rows = (await queryRunner.query(TRIGGERS, path.split('.').slice(-1))) as { name: string }[]
    return rows.map(({ name }) => name)
  },
  replacedUpdates: () => Promise.resolve([]),
  changesViews: false,
  foreignKeys,
  hiddenBy: () => Promise.resolve(undefined),
  cutsOffValues: () => Promise.resolve(undefined),
  allVersions: () => Promise.resolve(undefined),
  steps,
}

/** How SQLite says that a constraint does not hold: `UNIQUE constraint failed: user.email`. */
const REFUSED = /^(?:(?:CHECK|UNIQUE|FOREIGN KEY) constraint failed|cannot store \w+ value in )/

function failureByMessage(error: unknown): StatementFailure | undefined {
  const { message, driverError } = (error ?? {}) as { message?: unknown; driverError?: { message?: unknown } }
  const text = driverError?.message ?? message
  return typeof text === 'string' && REFUSED.test(text) ? 'constraint' : undefined
}

function onlyConnection(access: Access): OnlyConnection {
  const isInTransaction = (driver: object): boolean => access.connection(driver).inTransaction
  return {
    hasOpenTransaction: isInTransaction,
    // It is saved, where that is needed, with the values that are sealed under it.
    insertUnlessThere: (driver, select, insert) => {
      const connection = access.connection(driver)
      const work = (): void => {
        const there = connection.prepare(select[0]).all(...select[1])
        if (there.length === 0) connection.prepare(insert[0]).run(...insert[1])
      }
      // At once, so that no statement of the application comes in between.
      return attempt(() => {
        if (connection.inTransaction) work()
        else connection.transaction(work).immediate()
      })
    },
    tableByName: "SELECT 1 AS found FROM sqlite_master WHERE type = 'table' AND lower(name) = ?",
    // It is the application's own, and would forget what it was about to do.
    release: () => Promise.resolve(),
  }
}

/** SQLite through better-sqlite3. */
export const sqlite = sqliteBy(betterSqlite3, {
  mustReturnKeys: false,
  failureOf: failureByCode.bind(undefined, FAILURES),
})

/** SQLite through sql.js, whose errors have no code. */
export const sqljs = sqliteBy(sqljsAccess, {
  mustReturnKeys: true,
  failureOf: failureByMessage,
})

function sqliteBy(access: Access, own: Pick<Dialect, 'mustReturnKeys' | 'failureOf'>): Dialect {
  return {
    ...COMMON,
    onlyConnection: onlyConnection(access),
    openRows: (queryRunner, layout) => SqliteRows.over(access, queryRunner, layout),
    ...own,
  }
}
