import { type QueryRunner } from 'typeorm'
import { ColumnTypeError } from '../../errors'
import { type BoundColumn } from '../../orm/bound-column'
import { type BlindIndex } from '../../orm/search/blind-index'
import { readTable } from '../read-table'

/** The indexes whose columns the database has not got yet. */
export async function missingIndexColumns(
  queryRunner: QueryRunner,
  { metadata }: BoundColumn,
  indexes: readonly BlindIndex[],
): Promise<BlindIndex[]> {
  if (indexes.length === 0) return []
  const table = await readTable(queryRunner, metadata.entityMetadata.tablePath)
  return indexes.filter((index) => !table?.findColumnByName(index.metadata.databaseName))
}

/** Throws `ColumnTypeError` if the database has no column for a blind index. */
export async function requireIndexColumns(
  queryRunner: QueryRunner,
  column: BoundColumn,
  indexes: readonly BlindIndex[],
): Promise<void> {
  const [missing] = await missingIndexColumns(queryRunner, column, indexes)
  if (!missing) return
  throw column.error(
    ColumnTypeError,
    `the database has no column ${missing.metadata.databaseName} for the blind index. Run the schema migrations first: migration:generate writes the one that adds it.`,
  )
}
