import { type EntityMetadata } from 'typeorm'
import { IndexColumn } from '../../column/index-column'
import { type BoundColumn } from '../bound-column'
import { boundColumn, boundColumns } from '../bound-columns'
import { type ColumnMetadata } from '../typeorm-types'
import { type Catalogue, type CatalogueColumn, type CatalogueTable } from './statement'

/** A column of the catalogue that is encrypted leads to what declares it: several entities may be over one table. */
export interface EntityColumn extends CatalogueColumn {
  /** Empty if the column is not encrypted. */
  readonly bound: readonly BoundColumn[]
  /** It holds a blind index, which is written with the value and never alone. */
  readonly isIndex?: boolean
}

/** The declarations behind an encrypted column of an `entityCatalogue`. */
export function boundColumnsOf(column: CatalogueColumn): readonly BoundColumn[] {
  return (column as Partial<EntityColumn>).bound ?? []
}

/** True for a column that holds a blind index. */
export function isIndexColumn(column: CatalogueColumn | undefined): boolean {
  return (column as Partial<EntityColumn> | undefined)?.isIndex === true
}

interface Gathered extends CatalogueTable {
  readonly columns: EntityColumn[]
  readonly byName: Map<string, number>
}

/** The tables of a DataSource's entities, views and junctions. Its driver must be connected. */
export function entityCatalogue(
  entityMetadatas: readonly EntityMetadata[],
  defaults: Catalogue['defaults'],
): Catalogue {
  const tables = new Map<string, Gathered>()
  for (const { tablePath, columns } of entityMetadatas) {
    let table = tables.get(tablePath)
    // TypeORM, too, takes each dot for one between names.
    if (!table)
      tables.set(tablePath, (table = { path: tablePath.split('.'), columns: [], byName: new Map() }))
    for (const column of columns) gather(table, column)
  }
  return { tables: [...tables.values()], defaults }
}

function gather({ columns, byName }: Gathered, metadata: ColumnMetadata): void {
  if (metadata.isVirtualProperty) return
  const bound = boundColumn(metadata)
  const name = metadata.databaseName
  const at = byName.get(name) ?? columns.length
  const known = columns[at]
  const declarations = [...(known?.bound ?? []), ...(bound ? [bound] : [])]
  columns[at] = {
    name,
    isEncrypted: declarations.length > 0,
    isPrimary: metadata.isPrimary || known?.isPrimary === true,
    bound: declarations,
    isSearched: declarations.some(({ scheme }) => scheme.indexes.length > 0),
    isLocated:
      isLocated(metadata) ||
      declarations.some(({ recipes }) => recipes.dependsOn.some(isGenerated)) ||
      known?.isLocated === true,
    isIndex: IndexColumn.of(metadata.transformer) !== undefined || known?.isIndex === true,
  }
  byName.set(name, at)
}

/** A key that the database makes, and that encrypted values of its row may be bound to. */
function isLocated({ isGenerated: isMade, entityMetadata }: ColumnMetadata): boolean {
  return isMade && boundColumns(entityMetadata).some(({ recipes }) => !recipes.constant)
}

function isGenerated({ metadata }: { metadata: ColumnMetadata }): boolean {
  return metadata.isGenerated
}
