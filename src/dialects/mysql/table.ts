import { type QueryRunner } from 'typeorm'
import { type ColumnLayout, type TableLayout } from '../column-layout'
import { type HiddenBy } from '../dialect'

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

export async function foreignKeys(
  queryRunner: QueryRunner,
  table: TableLayout,
  column: string,
): Promise<string[]> {
  const from = inCatalogue(table)
  const to = inCatalogue(table, ['referenced_table_schema', 'referenced_table_name'])
  const rows = (await queryRunner.query(
    `SELECT constraint_name AS name, table_name AS owner FROM information_schema.key_column_usage
       WHERE (${from.where} AND column_name = ? AND referenced_table_name IS NOT NULL)
       OR (${to.where} AND referenced_column_name = ?)`,
    [...from.parameters, column, ...to.parameters, column],
  )) as { name: string; owner: string }[]
  return rows.map(({ name, owner }) => `${name} of the table ${owner}`)
}

export async function hiddenBy(queryRunner: QueryRunner, table: TableLayout): Promise<HiddenBy | undefined> {
  const { where, parameters } = inCatalogue(table)
  const rows = (await queryRunner.query(
    `SELECT 1 AS found FROM information_schema.views WHERE ${where}`,
    parameters,
  )) as unknown[]
  return rows.length > 0 ? 'view' : undefined
}

/** True for an engine that undoes nothing, e.g. MyISAM; false for a view. */
export async function hasNoTransactions(queryRunner: QueryRunner, table: TableLayout): Promise<boolean> {
  const { where, parameters } = inCatalogue(table)
  const rows = (await queryRunner.query(
    `SELECT transactions AS answer FROM information_schema.tables JOIN information_schema.engines USING (engine) WHERE ${where}`,
    parameters,
  )) as { answer: string }[]
  return rows.some(({ answer }) => answer === 'NO')
}

/**
 * How texts of a column are, or were, compared: a column that was made binary meanwhile most likely had the collation of
 * its table.
 */
export async function comparedAs(
  queryRunner: QueryRunner,
  layout: ColumnLayout,
): Promise<{ sql: string; name: string } | undefined> {
  const { where, parameters } = inCatalogue(layout)
  const isText = layout.kind === 'text'
  const [row] = (await queryRunner.query(
    isText
      ? `SELECT collation_name AS name FROM information_schema.columns WHERE ${where} AND column_name = ?`
      : `SELECT table_collation AS name FROM information_schema.tables WHERE ${where}`,
    isText ? [...parameters, layout.name.slice(1, -1).replaceAll('``', '`')] : parameters,
  )) as { name: string | null }[]
  const name = row?.name
  if (name === undefined || name === null || /^binary$|nopad_bin$/.test(name)) return undefined
  const charset = name.startsWith('uca1400') ? 'utf8mb4' : (name.split('_')[0] ?? 'utf8mb4')
  return { sql: `CONVERT(${layout.name} USING ${charset}) COLLATE ${name}`, name }
}

const INDEX = /^\s+((?:UNIQUE |FULLTEXT |SPATIAL )?KEY `((?:[^`]|``)+)` .*?),?$/gm

export async function indexDefinitions(
  queryRunner: QueryRunner,
  { table }: TableLayout,
): Promise<ReadonlyMap<string, string>> {
  const [row] = (await queryRunner.query(`SHOW CREATE TABLE ${table}`)) as Record<string, string>[]
  const lines = (row?.['Create Table'] ?? '').matchAll(INDEX)
  return new Map(
    Array.from(lines, ([, definition = '', name = '']) => [
      name.replaceAll('``', '`'),
      `ALTER TABLE ${table} ADD ${definition}`,
    ]),
  )
}
