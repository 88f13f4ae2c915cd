import { type ColumnLayout } from '../column-layout'

export function bytesSql({ kind, name }: Pick<ColumnLayout, 'kind' | 'name'>): string {
  return kind === 'binary' ? name : `CAST(CONVERT(${name} USING utf8mb4) AS BINARY)`
}
