import { type Queries, type TableName } from '../dialect'
import { integerForm } from '../../column/row-value'
import { assigningTrigger, inexact, type RowColumn } from '../row-column'
import { escapeRegExp } from '../escape-regexp'

/** The driver delivers numbers, which lose digits of larger ones. */
const SAFE_INTEGER = integerForm(BigInt(Number.MIN_SAFE_INTEGER), BigInt(Number.MAX_SAFE_INTEGER))

interface Found {
  name: string
  type: string
  notnull: number
  pk: number
  hidden: number
}

export async function rowColumns(
  queryRunner: Queries,
  { path, sql, escape }: TableName,
  names: readonly string[],
): Promise<ReadonlyMap<string, RowColumn>> {
  const name = path.split('.').pop() ?? path
  const found = (await queryRunner.query(
    'SELECT name, type, "notnull", pk, hidden FROM pragma_table_xinfo(?)',
    [name],
  )) as Found[]
  const wanted = new Map(names.map((each) => [each.toLowerCase(), each]))
  const bound = found.filter((each) => wanted.has(each.name.toLowerCase()))
  if (bound.length === 0) return new Map()
  const [relation] = (await queryRunner.query('SELECT type FROM sqlite_master WHERE lower(name) = lower(?)', [
    name,
  ])) as { type: string }[]
  const keys = (await queryRunner.query(
    'SELECT "from" AS name, on_update AS rule FROM pragma_foreign_key_list(?)',
    [name],
  )) as { name: string; rule: string }[]
  const triggers = (await queryRunner.query(
    "SELECT name, sql AS text FROM sqlite_master WHERE type = 'trigger' AND sql IS NOT NULL",
  )) as { name: string; text: string }[]
  const columns = new Map<string, RowColumn>()
  for (const each of bound) {
    const isRowId = each.pk > 0 && /^integer$/i.test(each.type)
    columns.set(wanted.get(each.name.toLowerCase()) ?? each.name, {
      type: each.type,
      form: await formOf(queryRunner, each, { sql, escape }),
      isNullable: each.notnull === 0 && !isRowId && relation?.type !== 'view',
      changedBy: changedBy(each, keys, assignmentsOf(triggers, name)),
      made: isRowId ? { kind: 'inserted', isUndone: true, replacesZero: false } : undefined,
    })
  }
  return columns
}

function changedBy(
  { name, hidden }: Found,
  keys: readonly { name: string; rule: string }[],
  triggers: readonly { name: string; text: string }[],
): string | undefined {
  if (hidden > 1) return 'a generated expression'
  const isSame = (other: string): boolean => other.toLowerCase() === name.toLowerCase()
  if (keys.some((key) => isSame(key.name) && !['RESTRICT', 'NO ACTION'].includes(key.rule))) {
    return 'a foreign key with ON UPDATE CASCADE, SET NULL or SET DEFAULT'
  }
  const trigger = assigningTrigger(triggers, name)
  return trigger === undefined ? undefined : `the trigger ${trigger}`
}

/** Triggers of SQLite change a row by an UPDATE of its table: its assignments, written as those of other databases. */
function assignmentsOf(
  triggers: readonly { name: string; text: string }[],
  table: string,
): { name: string; text: string }[] {
  const quoted = escapeRegExp(table)
  const updates = new RegExp(
    `\\bUPDATE\\s+(?:OR\\s+\\w+\\s+)?["\`[]?${quoted}["\`\\]]?\\s+SET\\b([\\s\\S]*?)(?:\\bWHERE\\b|;|$)`,
    'gi',
  )
  return triggers.map(({ name, text }) => ({
    name,
    text: Array.from(text.matchAll(updates), ([, assigned = '']) =>
      // `SET (a, b) = (1, 2)`
      assigned
        .replace(/\(([^()]*)\)\s*=/g, (_, names: string) => `${names.replaceAll(',', ' =,')} =`)
        .split(',')
        .map((each) => `NEW.${each}`)
        .join(', '),
    ).join('; '),
  }))
}

async function formOf(
  queryRunner: Queries,
  { name, type }: Found,
  { sql, escape }: Pick<TableName, 'sql' | 'escape'>,
): Promise<RowColumn['form']> {
  if (/int/i.test(type) || /^boolean$/i.test(type)) return SAFE_INTEGER
  if (/^blob$/i.test(type)) return { kind: 'bytes', length: undefined }
  if (!/^(varchar|nvarchar|text|clob|varying character)(\s*\(.*\))?$/i.test(type)) {
    return 'is of a type that has no text of its own'
  }
  // A set operation compares as its first column does; the catalogue does not tell the collation.
  const [row] = (await queryRunner.query(
    `SELECT COUNT(*) AS n FROM (SELECT ${escape(name)} FROM ${sql} WHERE 1 = 0 UNION SELECT 'a' UNION SELECT 'A' UNION SELECT 'a ')`,
  )) as { n: number }[]
  if (Number(row?.n) !== 3)
    return inexact('of the column', 'Give the column the collation BINARY, which is the default.')
  return { kind: 'text', length: undefined, isAscii: false }
}
