import { type QueryRunner } from 'typeorm'
import { type ColumnLayout, type TableLayout } from '../column-layout'
import { beginsLikeCiphertext } from '../rows/value-sql'

/** Finds a table in `information_schema`, whose columns have these names there. */
export function inCatalogue({ path }: Pick<TableLayout, 'path'>, columns = ['table_schema', 'table_name']) {
  const names = path.split('.')
  const [schema = '', table = ''] = columns
  const isSchema = names.length > 1 ? `${schema} = ?` : `${schema} = DATABASE()`
  return { where: `${isSchema} AND ${table} = ?`, parameters: names.slice(-2) }
}

/** Columns that the database sets to the time of an UPDATE unless the statement assigns them; escaped. */
export async function columnsSetOnUpdate(queryRunner: QueryRunner, table: TableLayout): Promise<string[]> {
  const { where, parameters } = inCatalogue(table)
  const rows = (await queryRunner.query(
    `SELECT column_name AS name FROM information_schema.columns WHERE ${where} AND extra LIKE '%on update%'`,
    parameters,
  )) as { name: string }[]
  return rows.map(({ name }) => `\`${name}\``)
}

export async function triggers(queryRunner: QueryRunner, table: TableLayout): Promise<string[]> {
  const { where, parameters } = inCatalogue(table, ['event_object_schema', 'event_object_table'])
  const rows = (await queryRunner.query(
    `SELECT trigger_name AS name FROM information_schema.triggers WHERE ${where} AND event_manipulation = 'UPDATE'`,
    parameters,
  )) as { name: string }[]
  return rows.map(({ name }) => name)
}

/** MariaDB keeps the earlier versions of the rows of system-versioned tables. */
export async function plaintextInHistory(
  queryRunner: QueryRunner,
  layout: ColumnLayout,
): Promise<number | undefined> {
  const { where, parameters } = inCatalogue(layout)
  const found = (await queryRunner.query(
    `SELECT 1 AS found FROM information_schema.tables WHERE ${where} AND table_type = 'SYSTEM VERSIONED'`,
    parameters,
  )) as unknown[]
  if (found.length === 0) return undefined
  const counted = async (rows: string): Promise<number> => {
    const [row] = (await queryRunner.query(
      `SELECT COUNT(*) AS n FROM ${layout.table} ${rows} WHERE ${layout.name} IS NOT NULL AND NOT (${beginsLikeCiphertext(layout)})`,
    )) as { n: number | string }[]
    return Number(row?.n)
  }
  return (await counted('FOR SYSTEM_TIME ALL')) - (await counted(''))
}
