import { type Queries, type TableName } from '../dialect'
import { assigningTrigger, inexact, integer, type RowColumn } from '../row-column'
import { inCatalogue } from './table'

const BITS: Readonly<Record<string, number>> = {
  tinyint: 8,
  smallint: 16,
  mediumint: 24,
  int: 32,
  bigint: 64,
}
const BYTES = new Set(['varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob'])
const TEXTS = new Set(['varchar', 'tinytext', 'text', 'mediumtext', 'longtext'])

interface Found {
  name: string
  type: string
  definition: string
  nullable: string
  length: string | number | null
  charset: string | null
  collation: string | null
  extra: string
}

export async function rowColumns(
  queryRunner: Queries,
  table: TableName,
  names: readonly string[],
): Promise<ReadonlyMap<string, RowColumn>> {
  const { where, parameters } = inCatalogue(table)
  const found = (await queryRunner.query(
    `SELECT column_name AS name, data_type AS type, column_type AS definition, is_nullable AS nullable,
       character_maximum_length AS length, character_set_name AS charset, collation_name AS collation, extra AS extra
       FROM information_schema.columns WHERE ${where}`,
    parameters,
  )) as Found[]
  const wanted = new Map(names.map((name) => [name.toLowerCase(), name]))
  const bound = found.filter(({ name }) => wanted.has(name.toLowerCase()))
  if (bound.length === 0) return new Map()
  const cascading = await cascadingColumns(queryRunner, table)
  const triggers = await triggersBefore(queryRunner, table)
  const columns = new Map<string, RowColumn>()
  const isUndone = bound.some(({ extra }) => MADE.test(extra)) && (await hasTransactions(queryRunner, table))
  for (const each of bound) {
    const changed = cascading.has(each.name.toLowerCase())
      ? 'a foreign key with ON UPDATE CASCADE, SET NULL or SET DEFAULT'
      : changedBy(each.extra)
    const trigger = assigningTrigger(triggers, each.name)
    columns.set(wanted.get(each.name.toLowerCase()) ?? each.name, {
      type: each.definition,
      form: await formOf(queryRunner, each),
      isNullable: each.nullable === 'YES',
      changedBy: changed ?? (trigger === undefined ? undefined : `the trigger ${trigger}`),
      made: MADE.test(each.extra) ? { kind: 'inserted', isUndone, replacesZero: true } : undefined,
    })
  }
  return columns
}

const MADE = /auto_increment/i

/** False for tables of MyISAM, Aria and the like. */
async function hasTransactions(queryRunner: Queries, table: TableName): Promise<boolean> {
  const { where, parameters } = inCatalogue(table, ['t.table_schema', 't.table_name'])
  const [row] = (await queryRunner.query(
    `SELECT e.transactions AS transactions FROM information_schema.tables t
       JOIN information_schema.engines e ON e.engine = t.engine WHERE ${where}`,
    parameters,
  )) as { transactions: string | null }[]
  return row?.transactions === 'YES'
}

/** How far the keys of rows that are inserted together lie apart. */
export async function keyStep(queryRunner: Queries): Promise<number> {
  const [row] = (await queryRunner.query('SELECT @@auto_increment_increment AS step')) as { step: unknown }[]
  return Number(row?.step)
}

function changedBy(extra: string): string | undefined {
  if (/on update/i.test(extra)) return 'ON UPDATE of the column'
  return /\b(virtual|stored|persistent|generated)\b/i.test(extra.replace(/default_generated/i, ''))
    ? 'a generated expression'
    : undefined
}

async function formOf(
  queryRunner: Queries,
  { type, definition, length, charset, collation }: Found,
): Promise<RowColumn['form']> {
  const bits = BITS[type]
  if (bits !== undefined) {
    if (/zerofill/i.test(definition)) return 'is ZEROFILL, which changes how it is written'
    return integer(bits, /unsigned/i.test(definition))
  }
  if (type === 'uuid') return { kind: 'uuid' }
  if (BYTES.has(type)) return { kind: 'bytes', length: Number(length) }
  if (!TEXTS.has(type) || charset === null || collation === null)
    return 'is of a type that has no text of its own'
  if (!(await isExact(queryRunner, charset, collation))) {
    return inexact(
      collation,
      `Give the column an exact collation that does not pad: utf8mb4_nopad_bin on MariaDB, utf8mb4_0900_bin on MySQL ({ collation: '…' }); or use an integer, or type 'uuid'.`,
    )
  }
  return { kind: 'text', length: Number(length), isAscii: charset !== 'utf8mb4' }
}

/** `_bin` compares code points; most of them pad with spaces. */
async function isExact(queryRunner: Queries, charset: string, collation: string): Promise<boolean> {
  if (!/^\w+_bin$/.test(collation)) return false
  const text = (value: string): string => `CONVERT(${value} USING ${charset}) COLLATE ${collation}`
  const [row] = (await queryRunner.query(`SELECT ${text("'a'")} = ${text("'a '")} AS pads`)) as {
    pads: unknown
  }[]
  return Number(row?.pads) === 0
}

async function cascadingColumns(queryRunner: Queries, table: TableName): Promise<Set<string>> {
  const { where, parameters } = inCatalogue(table, ['used.table_schema', 'used.table_name'])
  const rows = (await queryRunner.query(
    `SELECT used.column_name AS name FROM information_schema.key_column_usage used
       JOIN information_schema.referential_constraints rules
         ON rules.constraint_schema = used.constraint_schema AND rules.constraint_name = used.constraint_name
         AND rules.table_name = used.table_name
       WHERE ${where} AND rules.update_rule NOT IN ('RESTRICT', 'NO ACTION')`,
    parameters,
  )) as { name: string }[]
  return new Set(rows.map(({ name }) => name.toLowerCase()))
}

async function triggersBefore(
  queryRunner: Queries,
  table: TableName,
): Promise<{ name: string; text: string }[]> {
  const { where, parameters } = inCatalogue(table, ['event_object_schema', 'event_object_table'])
  const rows = (await queryRunner.query(
    `SELECT trigger_name AS name, action_statement AS text FROM information_schema.triggers
       WHERE ${where} AND action_timing = 'BEFORE'`,
    parameters,
  )) as { name: string; text: string | Buffer }[]
  return rows.map(({ name, text }) => ({ name, text: text.toString() }))
}

export async function uniqueKeys(queryRunner: Queries, table: TableName): Promise<string[][]> {
  const { where, parameters } = inCatalogue(table)
  const rows = (await queryRunner.query(
    `SELECT index_name AS id, column_name AS name FROM information_schema.statistics WHERE ${where} AND non_unique = 0`,
    parameters,
  )) as { id: string; name: string | null }[]
  const keys = new Map<string, string[]>()
  for (const { id, name } of rows) {
    const columns = keys.get(id) ?? []
    // A part that is an expression has no name.
    keys.set(id, name === null ? columns : [...columns, name])
  }
  return [...keys.values()]
}
