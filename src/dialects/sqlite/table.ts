import { type QueryRunner } from 'typeorm'
import { type TableLayout } from '../column-layout'

/** Triggers that an UPDATE of a table fires; what stands before `ON` says of which statement a trigger is. */
export const TRIGGERS =
  "SELECT name FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = lower(?) AND upper(sql) LIKE '%UPDATE%'"

/** They have no names here. */
export async function foreignKeys(
  queryRunner: QueryRunner,
  { path }: TableLayout,
  column: string,
): Promise<string[]> {
  const table = path.split('.').pop()
  const rows = (await queryRunner.query(
    `SELECT DISTINCT m.name AS name FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
       WHERE m.type = 'table' AND ((lower(f."table") = lower(?) AND lower(f."to") = lower(?))
       OR (lower(m.name) = lower(?) AND lower(f."from") = lower(?)))`,
    [table, column, table, column],
  )) as { name: string }[]
  return rows.map(({ name }) => `a foreign key of the table ${name}`)
}
