import { type ColumnChange } from './column-change'
import { type Step, type TypeSteps } from './steps'

/** SQLite: TypeORM makes the table anew, and the values keep their storage class until they are cast. */
export function sqliteSteps(change: ColumnChange): TypeSteps {
  const { column, nameSql, tableSql, newType, old, oldKind, newKind } = change
  const { databaseName, isNullable, entityMetadata } = column.metadata
  const columnOf = (type: string, nullable: boolean): string =>
    `new TableColumn({ name: '${databaseName}', type: '${type}', isNullable: ${nullable} })`
  const changeTo = (type: string, nullable: boolean): Step => ({
    code: `await queryRunner.changeColumn('${entityMetadata.tablePath}', '${databaseName}', ${columnOf(type, nullable)})`,
  })
  const update = (value: string): Step => ({
    sql: `UPDATE ${tableSql} SET ${nameSql} = ${value} WHERE ${nameSql} IS NOT NULL`,
  })
  if (oldKind === newKind && !change.holds.plaintext)
    return {
      up: [changeTo(newType, isNullable)],
      down: [changeTo(old!.type, old!.isNullable)],
    }
  const serialise = serialisation(change)
  const text = newKind === 'binary' ? `CAST(${nameSql} AS TEXT)` : nameSql
  return {
    up: [changeTo(newType, isNullable), update(serialise.up(`CAST(${nameSql} AS TEXT)`))],
    down: [update(serialise.down(text)), changeTo(old!.type, old!.isNullable), update(nameSql)],
  }
}

function serialisation({
  column,
  old,
  oldKind,
}: ColumnChange): Record<'up' | 'down', (text: string) => string> {
  const unchanged = (text: string): string => text
  if (oldKind !== 'other') return { up: unchanged, down: unchanged }
  switch (column.scheme.type.name) {
    case 'boolean':
      return {
        up: (text) => `CASE ${text} WHEN '0' THEN 'false' ELSE 'true' END`,
        down: (text) => `CASE ${text} WHEN 'false' THEN 0 ELSE 1 END`,
      }
    case 'date':
      // TypeORM stores dates as UTC here.
      return {
        up: (text) => `strftime('%Y-%m-%dT%H:%M:%fZ', ${text})`,
        down: (text) =>
          old!.type === 'date' ? `SUBSTR(${text}, 1, 10)` : `REPLACE(REPLACE(${text}, 'T', ' '), 'Z', '')`,
      }
    default:
      return { up: unchanged, down: unchanged }
  }
}
