import { type BindableColumn } from '../row/bindable-column'
import { type Connection } from '../row/located-update'
import { type EncryptedResult } from './result-columns'
import { escapedPath } from '../../dialects/escaped-path'

type Row = Record<string, unknown>

/** Rows that are asked for in one statement. */
const ROWS_AT_ONCE = 500

/** What rows of a result have in columns that the result does not bring. */
export type FetchedValue = (result: EncryptedResult, row: Row, name: string) => unknown

/** The columns that a value is opened by and that the result does not bring. */
export function missingColumns({ column, rowName }: EncryptedResult): readonly BindableColumn[] {
  return column.recipes.opensBy.filter(({ name }) => rowName(name) === undefined)
}

/** Rows of one table in a result, told apart by their primary key, and what is missing of them. */
interface Table {
  readonly path: string
  /** Columns of the primary key, and their names in the result. */
  readonly key: readonly { readonly column: string; readonly name: string }[]
  readonly missing: Set<string>
  readonly found: Map<string, Row>
}

/**
 * Asks for what a query left out of its rows and their values are bound to: by the primary key, where the result has
 * it, in one more query for all. Nothing is added to the query itself, which may be DISTINCT or grouped.
 */
export async function fetchMissing(
  results: readonly EncryptedResult[],
  rows: readonly Row[],
  { escape, dialect, query }: Connection,
): Promise<FetchedValue> {
  const tables = new Map<string, Table>()
  const tableOf = new Map<EncryptedResult, Table>()
  for (const result of results) {
    const missing = missingColumns(result)
    const key = keyOf(result)
    if (missing.length === 0 || key.length === 0) continue
    const path = result.column.metadata.entityMetadata.tablePath
    const id = JSON.stringify([path, key])
    let table = tables.get(id)
    if (!table) tables.set(id, (table = { path, key, missing: new Set(), found: new Map<string, Row>() }))
    for (const { name } of missing) table.missing.add(name)
    tableOf.set(result, table)
  }
  for (const { path, key, missing, found } of tables.values()) {
    const keys = new Map(
      rows.flatMap((row) => {
        const values = key.map(({ name }) => row[name])
        return values.includes(null) || values.includes(undefined) ? [] : [[idOf(values), values] as const]
      }),
    )
    const columns = [...key.map(({ column }) => column), ...missing].map(escape).join(', ')
    const table = escapedPath(path, escape)
    const all = [...keys.values()]
    for (let at = 0; at < all.length; at += ROWS_AT_ONCE) {
      const parameters: unknown[] = []
      const conditions = all.slice(at, at + ROWS_AT_ONCE).map((values) => {
        const parts = key.map(({ column }, place) => {
          parameters.push(values[place])
          return `${escape(column)} = ${dialect.placeholder(parameters.length)}`
        })
        return `(${parts.join(' AND ')})`
      })
      const sql = `SELECT ${columns} FROM ${table} WHERE ${conditions.join(' OR ')}`
      for (const row of (await query(sql, parameters)) as Row[]) {
        found.set(idOf(key.map(({ column }) => row[column])), row)
      }
    }
  }
  return (result, row, name) => {
    const table = tableOf.get(result)
    return table?.found.get(idOf(table.key.map((part) => row[part.name])))?.[name]
  }
}

/** Empty if the result does not have the whole key. */
function keyOf({ column, rowName }: EncryptedResult): Table['key'] {
  const { primaryColumns, tableType } = column.metadata.entityMetadata
  if (tableType === 'view') return []
  const key = primaryColumns.flatMap(({ databaseName }) => {
    const name = rowName(databaseName)
    return name === undefined ? [] : [{ column: databaseName, name }]
  })
  return key.length === primaryColumns.length ? key : []
}

function idOf(values: readonly unknown[]): string {
  return JSON.stringify(
    values.map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value))),
  )
}
