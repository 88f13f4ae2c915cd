import {
  addition,
  type ChangedColumn,
  type MigrationSteps,
  type NewColumn,
  type Step,
  storageAround,
  type TypeSteps,
} from '../steps'

/** TypeORM makes the table anew, and the values keep their storage class until they are cast. */
export const steps: MigrationSteps = {
  add: addition,
  // TypeORM, which makes the table anew later, must know of the new name.
  rename: ({ tablePath }, from, to) => ({
    code: `await queryRunner.renameColumn('${tablePath}', '${from}', '${to}')`,
  }),
  types,
  storage: (column, rotate) => storageAround(column, types(column), rotate),
  asText: (sql) => `CAST(${sql} AS TEXT)`,
  whole,
  rebuilt,
}

function types(column: ChangedColumn): TypeSteps {
  const { nameSql, type, kind, nullable, old } = column
  const update = (value: string): Step => ({
    sql: `UPDATE ${column.tableSql} SET ${nameSql} = ${value} WHERE ${nameSql} IS NOT NULL`,
  })
  const toNew = changeTo(column, { type, isNullable: nullable })
  const toOld = changeTo(column, {
    type: old.type,
    ...(old.length !== undefined && { length: old.length }),
    isNullable: old.nullable,
    ...(old.default !== undefined && { default: old.default }),
  })
  if (old.kind === kind && !column.holds.plaintext) return { up: [toNew], down: [toOld] }
  const serialise = serialisation(column)
  const text = kind === 'binary' ? `CAST(${nameSql} AS TEXT)` : nameSql
  return {
    up: [toNew, update(serialise.up(`CAST(${nameSql} AS TEXT)`))],
    down: [update(serialise.down(text)), toOld, update(nameSql)],
  }
}

function changeTo({ tablePath, name }: NewColumn, options: Readonly<Record<string, unknown>>): Step {
  const fields = Object.entries({ name, ...options }).map(([key, value]) => `${key}: ${literalOf(value)}`)
  const column = `new TableColumn({ ${fields.join(', ')} })`
  return { code: `await queryRunner.changeColumn('${tablePath}', '${name}', ${column})` }
}

function literalOf(value: unknown): string {
  if (typeof value !== 'string') return String(value)
  return /['\\\n]/.test(value) ? JSON.stringify(value) : `'${value}'`
}

function serialisation({ valueType, old }: ChangedColumn): Record<'up' | 'down', (text: string) => string> {
  const unchanged = (text: string): string => text
  if (old.kind !== 'other') return { up: unchanged, down: unchanged }
  switch (valueType) {
    case 'boolean':
      return {
        up: (text) => `CASE ${text} WHEN '0' THEN 'false' ELSE 'true' END`,
        down: (text) => `CASE ${text} WHEN 'false' THEN 0 ELSE 1 END`,
      }
    case 'date':
      // TypeORM stores dates as UTC here. What is no date stays as it is, so that the encryption names its row.
      return {
        up: (text) =>
          `COALESCE(CASE WHEN ${text} LIKE '____-__-__%' THEN strftime('%Y-%m-%dT%H:%M:%fZ', ${text}) END, ${text})`,
        down: (text) =>
          old.type === 'date' ? `SUBSTR(${text}, 1, 10)` : `REPLACE(REPLACE(${text}, 'T', ' '), 'Z', '')`,
      }
    default:
      return { up: unchanged, down: unchanged }
  }
}

/** Dropping a table deletes the rows that refer to it, unless somebody takes care of that. */
function whole(all: readonly Step[], tables: readonly string[]): readonly Step[] {
  if (tables.length === 0 || all.length === 0) return all
  const names = tables.map((name) => `'${name}'`).join(', ')
  return [{ within: `await rebuildTables(queryRunner, [${names}], async () => {`, steps: all }]
}

const RENAMED = /^ALTER TABLE "(?:[^"]+"\.")?temporary_[^"]+" RENAME TO "([^"]+)"/

function rebuilt(statements: readonly string[]): string[] {
  return [...new Set(statements.flatMap((sql) => RENAMED.exec(sql)?.[1] ?? []))]
}
