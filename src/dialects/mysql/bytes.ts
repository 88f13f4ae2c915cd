import { type ValueColumn } from '../bytes-sql'

export function bytesSql({ kind, name }: ValueColumn): string {
  return kind === 'binary' ? name : `CAST(${inUtf8(name)} AS BINARY)`
}

/** mysql2 would take a `?` in the statement for a placeholder. */
const MARK = 'CHAR(63 USING ascii)'

/** A conversion makes `?` of bytes that a character set leaves undefined, such as X'81' of cp1250. */
export function isWholeSql(column: ValueColumn): string | undefined {
  if (column.kind === 'binary') return undefined
  const marks = (text: string): string => `CHAR_LENGTH(${text}) - CHAR_LENGTH(REPLACE(${text}, ${MARK}, ''))`
  return `(LOCATE(X'3F', ${bytesSql(column)}) = 0 OR ${marks(column.name)} = ${marks(inUtf8(column.name))})`
}

function inUtf8(name: string): string {
  return `CONVERT(${name} USING utf8mb4)`
}
