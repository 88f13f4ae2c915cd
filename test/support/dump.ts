import { inspect } from 'node:util'
import type { TestDatabase } from './databases'

/** Everything the database holds, as bytes: every column of every row of every table, and SQLite's whole files. */
export async function dump(database: TestDatabase): Promise<Buffer> {
  const parts: Buffer[] = []
  for (const table of await tables(database)) {
    for (const row of await database.rawQuery(`SELECT * FROM ${table}`)) {
      parts.push(...Object.values(row).map(valueBytes))
    }
  }
  parts.push(...(database.files?.() ?? []))
  return Buffer.concat(parts.flatMap((part) => [part, Buffer.from('\n')]))
}

async function tables(database: TestDatabase): Promise<string[]> {
  const rows = await database.rawQuery(
    {
      mariadb: 'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()',
      postgres: "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'",
      sqlite: "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')",
    }[database.name],
  )
  return rows.map(({ name }) => database.quote(name as string))
}

function valueBytes(value: unknown): Buffer {
  if (Buffer.isBuffer(value)) return value
  return Buffer.from(
    typeof value === 'string' ? value : inspect(value, { depth: null, maxStringLength: null }),
  )
}
