import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Row, TestDatabase } from '../databases'

/** A file and not `:memory:`, so that a second connection can look at what the first one wrote. */
export function createSqliteDatabase(): Promise<TestDatabase> {
  const folder = mkdtempSync(
    join(process.env['TEST_SQLITE_DIR'] ?? tmpdir(), 'typeorm-kms-encrypted-sqlite-'),
  )
  const database = join(folder, 'test.sqlite')
  const connection = new Database(database)

  return Promise.resolve({
    name: 'sqlite',
    options: { type: 'better-sqlite3', database },
    quote: (identifier) => `"${identifier.replaceAll('"', '""')}"`,
    rawQuery(sql, params = []) {
      const statement = connection.prepare<unknown[], Row>(sql)
      if (statement.reader) return Promise.resolve(statement.all(...params))
      statement.run(...params)
      return Promise.resolve([])
    },
    files: () =>
      [database, `${database}-wal`, `${database}-journal`]
        .filter((path) => existsSync(path))
        .map((path) => readFileSync(path)),
    drop() {
      connection.close()
      rmSync(folder, { recursive: true, force: true })
      return Promise.resolve()
    },
  } satisfies TestDatabase)
}
