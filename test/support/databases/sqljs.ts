import load from 'sql.js'
import type { Row, TestDatabase } from '../databases'

/** SQLite in the memory of this process. All DataSources of a test have the same database, as if it were a file. */
export async function createSqljsDatabase(): Promise<TestDatabase> {
  const { Database } = await load()
  const database = new Database()
  const close = database.close.bind(database)
  database.close = () => undefined

  return {
    name: 'sqlite',
    standIn: 'sqljs',
    options: {
      type: 'sqljs',
      driver: {
        Database: function () {
          return database
        },
      },
    },
    quote: (identifier) => `"${identifier.replaceAll('"', '""')}"`,
    rawQuery(sql, params = []) {
      const statement = database.prepare(sql)
      try {
        statement.bind(params)
        const rows: Row[] = []
        while (statement.step()) rows.push(withBuffers(statement.getAsObject()))
        return Promise.resolve(rows)
      } finally {
        statement.free()
      }
    },
    // Without what an export leaves behind: it opens the database anew.
    files() {
      const bytes = Buffer.from(database.export())
      database.exec('PRAGMA foreign_keys = ON')
      return [bytes]
    },
    drop() {
      close()
      return Promise.resolve()
    },
  }
}

function withBuffers(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? Buffer.from(value) : value,
    ]),
  )
}
