import { type QueryRunner } from 'typeorm'
import { type TableLayout } from '../column-layout'
import { inCatalogue } from './table'

/** MariaDB keeps the earlier versions of the rows of system-versioned tables. */
export async function allVersions(
  queryRunner: QueryRunner,
  layout: TableLayout,
): Promise<string | undefined> {
  const { where, parameters } = inCatalogue(layout)
  const found = (await queryRunner.query(
    `SELECT 1 AS found FROM information_schema.tables WHERE ${where} AND table_type = 'SYSTEM VERSIONED'`,
    parameters,
  )) as unknown[]
  return found.length === 0 ? undefined : `${layout.table} FOR SYSTEM_TIME ALL`
}
