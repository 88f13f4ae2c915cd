import { existsSync, readFileSync } from 'node:fs'
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
  if (database.name === 'sqlite') parts.push(...sqliteFiles(database))
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

/** Pages that were freed, and the journal, keep what no SELECT shows any more. */
function sqliteFiles({ options }: TestDatabase): Buffer[] {
  const file = options.database as string
  return [file, `${file}-wal`, `${file}-journal`]
    .filter((path) => existsSync(path))
    .map((path) => readFileSync(path))
}
