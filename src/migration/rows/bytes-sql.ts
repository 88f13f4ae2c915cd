import { type ColumnLayout } from './column-layout'

/** The stored value as bytes: text as UTF-8, whatever the column's character set. */
export function bytesSql({ database, kind, name }: Pick<ColumnLayout, 'database' | 'kind' | 'name'>): string {
  if (database === 'sqlite') return `CAST(${name} AS BLOB)`
  if (kind === 'binary') return name
  return database === 'postgres'
    ? `convert_to(${name}::text, 'UTF8')`
    : `CAST(CONVERT(${name} USING utf8mb4) AS BINARY)`
}

/** Bytes in SQL. */
export function bytesLiteral({ database }: Pick<ColumnLayout, 'database'>, hex: string): string {
  return database === 'postgres' ? `'\\x${hex}'::bytea` : `x'${hex}'`
}

export function longestSql(layout: ColumnLayout, plaintext: boolean): string {
  const bytes = bytesSql(layout)
  const length = layout.database === 'mysql' ? `LENGTH(${bytes})` : `OCTET_LENGTH(${bytes})`
  const where = plaintext
    ? ` WHERE SUBSTR(${bytes}, 1, 1) <> ${bytesLiteral(layout, 'c1')} AND SUBSTR(${bytes}, 1, 3) <> ${bytesLiteral(layout, '775145')}`
    : ''
  return `SELECT COALESCE(MAX(${length}), 0) AS n FROM ${layout.table}${where}`
}
