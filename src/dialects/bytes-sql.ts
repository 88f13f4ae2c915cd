/** What a database column takes: bytes, text, or neither (a number, a date, JSON). */
export type ColumnKind = 'binary' | 'text' | 'other'

/** A column with values, and its name escaped. */
export interface ValueColumn {
  readonly kind: ColumnKind
  readonly name: string
}

/** SQL over the bytes of stored values. */
export interface BytesSql {
  readonly placeholder: (position: number) => string
  /** The stored value as bytes: text as UTF-8, whatever the column's character set. */
  bytesSql(column: ValueColumn): string
  /**
   * True for a stored text of which a query gives all: of bytes that its character set does not define the database may
   * give something else. `undefined` where it gives all, or refuses.
   */
  isWholeSql(column: ValueColumn): string | undefined
  /** Bytes in SQL. */
  bytesLiteral(hex: string): string
  /** The length of bytes. */
  lengthSql(bytes: string): string
  /** One of the values that a column has in the rows of a group. */
  anyValue(column: string): string
  /** True where the database gives text, and not bytes. */
  isTextSql(column: ValueColumn): string
}
