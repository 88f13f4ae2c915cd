import { type ColumnType } from 'typeorm'

/** Type and length of a column in the database. */
export interface StoredType {
  type: ColumnType
  length?: number
}

/**
 * All that differs from database to database, as one object a database: a new one is a folder beside the others and
 * a line in `index.ts`. Nothing else in this library asks which database it works on.
 */
export interface Dialect {
  /** MariaDB goes by `mysql`. For people and for tests: code asks the dialect to do things, not for its name. */
  readonly name: 'mysql' | 'postgres' | 'sqlite'
  /** True if a binary column can hold nothing but bytes. In SQLite each value has a type of its own. */
  readonly binaryColumnsHoldBytes: boolean
  /** The type of a column that holds ciphertexts of at most `length` bytes, or of any length. */
  storedType(storage: 'binary' | 'text', length: number | undefined): StoredType
}
