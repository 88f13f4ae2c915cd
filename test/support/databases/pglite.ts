import type { PGlite } from '@electric-sql/pglite'
import type * as TypeormPglite from 'typeorm-pglite'
import type { Row, TestDatabase } from '../databases'

/**
 * PostgreSQL in the memory of this process. It takes seconds to start: those that were dropped are emptied and used again.
 * All DataSources of a test share its only session.
 */
export async function createPgliteDatabase(): Promise<TestDatabase> {
  const server = dropped.pop() ?? (await start())
  const { pglite, Pool } = server
  await pglite.exec('ROLLBACK; RESET ROLE; RESET ALL; DROP SCHEMA public CASCADE; CREATE SCHEMA public')
  // As in a new database.
  await pglite.exec('GRANT USAGE ON SCHEMA public TO PUBLIC')

  return {
    name: 'postgres',
    standIn: 'pglite',
    // `gen_random_uuid()` is PostgreSQL's own. TypeORM would install extensions that are not there, which ends the process.
    options: { type: 'postgres', driver: { Pool }, uuidExtension: 'pgcrypto', installExtensions: false },
    quote: (identifier) => `"${identifier.replaceAll('"', '""')}"`,
    async rawQuery(sql, params) {
      let count = 0
      if (!params) return withBuffers((await pglite.exec(sql)).at(-1)?.rows)
      const numbered = sql.replaceAll('?', () => `$${++count}`)
      return withBuffers((await pglite.query<Row>(numbered, params)).rows)
    },
    drop() {
      dropped.push(server)
      return Promise.resolve()
    },
  }
}

interface Server {
  readonly pglite: PGlite
  readonly Pool: new () => object
}

const dropped: Server[] = []

async function start(): Promise<Server> {
  // It keeps one database in a process: another copy of it has another.
  const typeormPglite = await new Promise<typeof TypeormPglite>((resolve) => {
    jest.isolateModules(() => {
      resolve(jest.requireActual('typeorm-pglite'))
    })
  })
  const { Pool } = new typeormPglite.PGliteDriver({}).driver as unknown as Pick<Server, 'Pool'>
  /** The database outlives the DataSources of a test. */
  class KeptPool extends Pool {
    end(ended: (error: null) => void): void {
      ended(null)
    }
  }
  return { pglite: await typeormPglite.getPGliteInstance(), Pool: KeptPool }
}

function withBuffers(rows: readonly Row[] = []): Row[] {
  const bytes = (value: unknown): unknown => (value instanceof Uint8Array ? Buffer.from(value) : value)
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, bytes(value)])),
  )
}
