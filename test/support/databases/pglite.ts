import { getPGliteInstance, PGliteDriver } from 'typeorm-pglite'
import type { Row, TestDatabase } from '../databases'

/**
 * PostgreSQL in the memory of this process. There is one for all tests of a file, emptied for each: it takes seconds to
 * start. All DataSources of a test share its only session.
 */
export async function createPgliteDatabase(): Promise<TestDatabase> {
  const { Pool } = new PGliteDriver().driver as unknown as { Pool: new () => object }
  /** The database outlives the DataSources of a test. */
  class KeptPool extends Pool {
    end(ended: (error: null) => void): void {
      ended(null)
    }
  }
  const pglite = await getPGliteInstance()
  await pglite.exec('ROLLBACK; RESET ALL; DROP SCHEMA public CASCADE; CREATE SCHEMA public')

  return {
    name: 'postgres',
    standIn: 'pglite',
    options: { type: 'postgres', driver: { Pool: KeptPool } },
    quote: (identifier) => `"${identifier.replaceAll('"', '""')}"`,
    async rawQuery(sql, params) {
      let count = 0
      if (!params) return withBuffers((await pglite.exec(sql)).at(-1)?.rows)
      const numbered = sql.replaceAll('?', () => `$${++count}`)
      return withBuffers((await pglite.query<Row>(numbered, params)).rows)
    },
    drop: () => Promise.resolve(),
  }
}

function withBuffers(rows: readonly Row[] = []): Row[] {
  const bytes = (value: unknown): unknown => (value instanceof Uint8Array ? Buffer.from(value) : value)
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, bytes(value)])),
  )
}
