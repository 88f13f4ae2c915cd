import { type ColumnLayout } from '../column-layout'
import { type Dialect } from '../dialect'
import { readKeys } from './keys'
import { postgresLanguage } from './lexical-rules'
import { rowColumns } from './row-columns'
import { PostgresRows } from './rows'
import { failureOf, fixFormats, limitLockWait } from './session'
import { steps } from './steps'
import {
  expressionIndexes,
  foreignKeys,
  hiddenBy,
  indexDefinitions,
  replacedUpdates,
  triggers,
} from './table'

export const postgres: Dialect = {
  name: 'postgres',
  onlyConnection: undefined,
  namespace: 'schema',
  // NAMEDATALEN - 1: https://www.postgresql.org/docs/current/sql-syntax-lexical.html
  isTooLong: (name) => Buffer.byteLength(name) > 63,
  binaryColumnsHoldBytes: true,
  hidesParameters: true,
  language: () => postgresLanguage,
  defaultSchemas: ({ schema, searchSchema }) => {
    const own = [schema, searchSchema].filter((name) => name !== undefined)
    return own.length > 0 ? own : ['public']
  },
  storedType: (storage) => ({ type: storage === 'text' ? 'text' : 'bytea' }),
  indexType: (storage, length) =>
    storage === 'text' ? { type: 'varchar', length: 2 * length } : { type: 'bytea' },
  roomyType: (storage) => (storage === 'text' ? 'text' : 'bytea'),
  takesCiphertext: ({ kind, storage }) => kind === 'binary' || (storage === 'text' && kind === 'text'),
  changeType,
  capacityOf: (_queryRunner, _table, { length }) => Promise.resolve(length ? Number(length) : undefined),
  textOptions: () => Promise.resolve(''),
  isStorableText: (text) => !text.includes(0),
  placeholder: (position) => `$${position}`,
  bytesSql: ({ kind, name }) => (kind === 'binary' ? name : `convert_to(${name}::text, 'UTF8')`),
  isWholeSql: () => undefined,
  readOnly: { begin: 'START TRANSACTION READ ONLY', end: 'ROLLBACK' },
  textSql: (expression) => `CAST(${expression} AS text)`,
  // Whatever standard_conforming_strings says.
  bytesLiteral: (hex) => `decode('${hex}', 'hex')`,
  comparedAs: (_queryRunner, { type, name }) =>
    Promise.resolve(type === 'citext' ? { sql: name, name: 'citext' } : undefined),
  anyValue: (column) => `(ARRAY_AGG(${column}))[1]`,
  lengthSql: (bytes) => `OCTET_LENGTH(${bytes})`,
  isTextSql: ({ kind }) => (kind === 'text' ? '1 = 1' : '1 = 0'),
  readKeys,
  rowColumns,
  locksRows: true,
  mustReturnKeys: false,
  keyStep: () => Promise.resolve(1),
  uniqueKeys: () => Promise.resolve([]),
  openRows: PostgresRows.over.bind(PostgresRows),
  limitLockWait,
  fixFormats,
  failureOf,
  // Rows are found again by their ctid, which those have not.
  changesViews: false,
  triggers,
  replacedUpdates,
  foreignKeys,
  hiddenBy,
  expressionIndexes,
  indexDefinitions,
  cutsOffValues: () => Promise.resolve(undefined),
  allVersions: () => Promise.resolve(undefined),
  steps,
}

function changeType({ table, name, kind }: ColumnLayout, type: string): string {
  const using = type === 'bytea' && kind !== 'binary' ? ` USING convert_to(${name}::text, 'UTF8')` : ''
  return `ALTER TABLE ${table} ALTER COLUMN ${name} TYPE ${type}${using};`
}
