import { type Dialect } from '../dialect'
import { bytesSql, isWholeSql } from './bytes'
import { allVersions } from './history'
import { readKeys } from './keys'
import { type Format, mysqlLanguage } from './lexical-rules'
import { keyStep, rowColumns, uniqueKeys } from './row-columns'
import { MysqlRows } from './rows'
import { cutsOffValues, failureOf, fixFormats, isInTransaction, limitLockWait } from './session'
import { steps } from './steps'
import { comparedAs, foreignKeys, hiddenBy, indexDefinitions, triggers } from './table'
import { capacityOf, changeType, roomyType, storedType, textOptions } from './types'

/** MySQL and MariaDB. */
export const mysql: Dialect = {
  name: 'mysql',
  onlyConnection: undefined,
  namespace: 'database',
  // 64 characters: https://dev.mysql.com/doc/refman/en/identifier-length.html
  isTooLong: (name) => name.length > 64,
  binaryColumnsHoldBytes: true,
  hidesParameters: true,
  // The package that TypeORM loaded.
  language: (driver) => mysqlLanguage((driver as { mysql?: { format?: Format } }).mysql?.format),
  defaultSchemas: ({ database }) => (database ? [database] : []),
  storedType,
  indexType: (storage, length) =>
    storage === 'text' ? { type: 'varchar', length: 2 * length } : { type: 'binary', length },
  roomyType,
  takesCiphertext: ({ kind, storage }) => kind === 'binary' || (storage === 'text' && kind === 'text'),
  changeType,
  capacityOf,
  textOptions,
  isStorableText: () => true,
  placeholder: () => '?',
  bytesSql,
  isWholeSql,
  isInTransaction,
  readOnly: { begin: 'START TRANSACTION READ ONLY', end: 'ROLLBACK' },
  textSql: (expression) => `CAST(${expression} AS CHAR)`,
  bytesLiteral: (hex) => `x'${hex}'`,
  comparedAs,
  anyValue: (column) => `MIN(${column})`,
  lengthSql: (bytes) => `LENGTH(${bytes})`,
  isTextSql: ({ kind }) => (kind === 'text' ? '1 = 1' : '1 = 0'),
  readKeys,
  mustReturnKeys: false,
  keyStep,
  rowColumns,
  locksRows: true,
  uniqueKeys,
  openRows: MysqlRows.over.bind(MysqlRows),
  limitLockWait,
  fixFormats,
  failureOf,
  changesViews: true,
  triggers,
  replacedUpdates: () => Promise.resolve([]),
  foreignKeys,
  indexDefinitions,
  expressionIndexes: () => Promise.resolve(new Map<string, string>()),
  hiddenBy,
  cutsOffValues,
  allVersions,
  steps,
}
