import { type ColumnLayout } from '../column-layout'
import { type Dialect } from '../dialect'
import { failureByCode, type FailureCodes } from '../failure'
import { changeSettings } from '../session'
import { readKeys } from './keys'
import { sqliteLanguage } from './lexical-rules'
import { rowColumns } from './row-columns'
import { SqliteRows } from './rows'
import { steps } from './steps'
import { TRIGGERS } from './table'

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

/** SQLite through better-sqlite3. */
export const sqlite: Dialect = {
  name: 'sqlite',
  hasSeveralConnections: false,
  namespace: undefined,
  hasOpenTransaction: (driver) =>
    (driver as { databaseConnection?: { inTransaction?: boolean } }).databaseConnection?.inTransaction ===
    true,
  binaryColumnsHoldBytes: false,
  hidesParameters: false,
  language: () => sqliteLanguage,
  defaultSchemas: ({ database }) => ['main', ...(database ? [database] : [])],
  storedType: (storage) => ({ type: storage === 'text' ? 'text' : 'blob' }),
  indexType: (storage, length) =>
    storage === 'text' ? { type: 'varchar', length: 2 * length } : { type: 'blob' },
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
  openRows: SqliteRows.over.bind(SqliteRows),
  limitLockWait: (queryRunner, timeout) =>
    changeSettings(
      queryRunner,
      { read: () => 'PRAGMA busy_timeout', set: (_name, value) => `PRAGMA busy_timeout = ${value}` },
      { timeout: String(timeout) },
    ),
  fixFormats: () => Promise.resolve(() => Promise.resolve()),
  failureOf: failureByCode.bind(undefined, FAILURES),
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
  hiddenBy: () => Promise.resolve(undefined),
  cutsOffValues: () => Promise.resolve(undefined),
  allVersions: () => Promise.resolve(undefined),
  steps,
}
