import { type ValueColumn } from '../bytes-sql'

export function bytesSql({ kind, name }: ValueColumn): string {
  return kind === 'binary' ? name : `CAST(CONVERT(${name} USING utf8mb4) AS BINARY)`
}
