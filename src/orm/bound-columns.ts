import { type EntityMetadata } from 'typeorm'
import { BoundColumn } from './bound-column'
import { type ColumnMetadata } from './typeorm-types'

const byEntity = new WeakMap<EntityMetadata, readonly BoundColumn[]>()

/** The encrypted column behind a column's metadata, if it is one and its DataSource is configured. */
export function boundColumn(column: ColumnMetadata): BoundColumn | undefined {
  return column.transformer instanceof BoundColumn ? column.transformer : undefined
}

/** The encrypted columns of an entity. */
export function boundColumns(metadata: EntityMetadata): readonly BoundColumn[] {
  let columns = byEntity.get(metadata)
  if (!columns) {
    columns = metadata.columns.map(boundColumn).filter((column) => column !== undefined)
    byEntity.set(metadata, columns)
  }
  return columns
}
