import { type EntityMetadata } from 'typeorm'
import { InvalidOptionError } from '../errors'
import { boundColumn, boundColumns } from './bound-columns'
import { type ColumnMetadata } from './typeorm-types'
import { searchRefusal } from './write/tokens'

/** `upsert` by an encrypted column would never find the row; MySQL does not even look at the conflict paths. */
export function refuseConflictPaths(metadata: EntityMetadata): void {
  if (boundColumns(metadata).length === 0) return
  const mapPropertyPathsToColumns = metadata.mapPropertyPathsToColumns.bind(metadata)
  metadata.mapPropertyPathsToColumns = (paths) => {
    const columns = mapPropertyPathsToColumns(paths)
    return columns.map((column) => conflictColumn(column))
  }
}

/** An encrypted column whose blind index is unique is a conflict path by that. */
function conflictColumn(column: ColumnMetadata): ColumnMetadata {
  const encrypted = boundColumn(column)
  if (!encrypted) return column
  const index = encrypted.searchedBy
  if (index?.declared.isUnique) return index.metadata
  throw searchRefusal(encrypted)
}

/** An index or unique constraint over ciphertexts finds and enforces nothing: each ciphertext is different. */
export function refuseIndexes({ name: entity, indices, uniques }: EntityMetadata): void {
  for (const { columns } of [...indices, ...uniques]) {
    const encrypted = columns.find((column) => boundColumn(column))
    if (!encrypted) continue
    throw new InvalidOptionError(
      'an index or unique constraint over an encrypted column enforces nothing: equal values have different ciphertexts. Take it away and declare search: true or unique: true for the column: that makes a blind index of the values, and the index of the database over it (docs/search.md).',
      { entity, property: encrypted.propertyPath },
    )
  }
}
