import { type QueryRunner } from 'typeorm'
import { type BoundColumn } from '../../orm/bound-column'
import { type ColumnLayout } from '../rows/column-layout'
import { dataSourceOf } from '../target'
import { missingIndexColumns } from './index-columns'

/** One blind index of a column, and how far it is filled. */
export interface IndexCount {
  name: string
  /** The column that holds it. */
  column: string
  /** Rows that have a value and no index; `undefined` if the database has no such column yet. */
  missing: number | undefined
  /** It answers no search yet (`filling: true`). */
  isFilling: boolean
}

export async function indexCounts(
  queryRunner: QueryRunner,
  column: BoundColumn,
  { table }: Pick<ColumnLayout, 'table'>,
): Promise<IndexCount[]> {
  const { driver } = dataSourceOf(queryRunner)
  const absent = await missingIndexColumns(queryRunner, column, column.indexes)
  const counts: IndexCount[] = []
  for (const index of column.indexes) {
    const { databaseName } = index.metadata
    const { name, isFilling } = index.declared
    const of = { name, column: databaseName, isFilling }
    if (absent.includes(index)) {
      counts.push({ ...of, missing: undefined })
      continue
    }
    const hasValues = index.members
      .map(({ metadata }) => `${driver.escape(metadata.databaseName)} IS NOT NULL`)
      .join(' AND ')
    const [row] = (await queryRunner.query(
      `SELECT COUNT(*) AS n FROM ${table} WHERE ${hasValues} AND ${driver.escape(databaseName)} IS NULL`,
    )) as { n: unknown }[]
    counts.push({ ...of, missing: Number(row?.n) })
  }
  return counts
}
