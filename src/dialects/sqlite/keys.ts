import { type QueryRunner } from 'typeorm'
import { type KeyName, type TableName } from '../dialect'
import { checkIdentity, columnOf } from '../rows/key-identity'
import { type KeyColumn, type Parameters } from '../rows/key-order'

/** The columns of the primary key. They order the rows only where these have no rowid. */
export async function readKeys(
  queryRunner: QueryRunner,
  table: TableName,
  names: readonly KeyName[],
): Promise<KeyColumn[]> {
  const query = (sql: string, parameters: unknown[] = []): Promise<unknown[]> =>
    queryRunner.query(sql, parameters) as Promise<unknown[]>
  const name = table.path.split('.').slice(-1)
  const columns = (await query('SELECT name, type, pk FROM pragma_table_xinfo(?)', name)) as {
    name: string
    type: string
    pk: number
  }[]
  const keys = names.map((key) =>
    keyColumn(key.property, table.escape(key.name), columnOf(columns, key).type),
  )
  if (!(await rowidOf(query, table.path))) {
    await checkIdentity(query, table.sql, keys)
  }
  return keys
}

/** How a table's rowid is called; `undefined` where it has none (`WITHOUT ROWID`, a view, other columns by its names). */
export async function rowidOf(
  query: (sql: string, parameters: unknown[]) => Promise<unknown[]> | unknown[],
  path: string,
): Promise<string | undefined> {
  const name = path.split('.').slice(-1)
  const [table] = (await query("SELECT wr FROM pragma_table_list(?) WHERE type = 'table'", name)) as {
    wr: number | bigint
  }[]
  if (!table || Number(table.wr) === 1) return undefined
  const columns = (await query('SELECT lower(name) AS name FROM pragma_table_xinfo(?)', name)) as {
    name: string
  }[]
  return ['rowid', '_rowid_', 'oid'].find((alias) => !columns.some((column) => column.name === alias))
}

/** Text of a key: bytes, because it need not be UTF-8. */
export class TextKey {
  constructor(readonly bytes: Buffer) {}

  toString(): string {
    return this.bytes.toString('latin1')
  }
}

function valueOf(key: unknown, parameters: Parameters): string {
  if (key instanceof TextKey) return `CAST(${parameters.add(key.bytes)} AS TEXT)`
  // As text where a number of JavaScript loses digits: sql.js has no other way to bind it. A CAST would have texts in
  // the column compared as numbers; behind a plus it has no affinity.
  if (typeof key === 'bigint' && !Number.isSafeInteger(Number(key)))
    return `+CAST(${parameters.add(key.toString())} AS INTEGER)`
  return parameters.add(key)
}

function keyColumn(property: string, sql: string, type: string): KeyColumn {
  return {
    property,
    sql,
    type,
    // A column may hold values of several types, which compare by their type first.
    selected: `CASE typeof(${sql}) WHEN 'text' THEN CAST(${sql} AS BLOB) ELSE ${sql} END`,
    text: `hex(CAST(${sql} AS BLOB))`,
    value: valueOf,
  }
}
