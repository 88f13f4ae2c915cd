import { type QueryRunner } from 'typeorm'
import { InvalidOptionError } from '../../errors'
import { type Dialect } from '../dialect'
import { type OnlyConnection } from '../only-connection'
import { HiddenParameter } from '../rows/hidden-parameter'
import { type RawRow } from '../rows/sql-rows'
import { postgres } from './index'
import { PostgresRows, type Send } from './rows'

/** What is used of TypeORM's driver for PostgreSQL. */
interface Driver {
  /** The pool. That of `typeorm-pglite` is its own only connection. */
  master: Connection
  connectedQueryRunners: readonly QueryRunner[]
}

interface Connection {
  query(sql: string, parameters: unknown[]): Promise<{ rows: RawRow[] }>
}

/**
 * True if TypeORM's driver for PostgreSQL was given one whose pool does not count its connections, as that of `pg` does:
 * that of `typeorm-pglite`, or another around PGlite.
 */
export function isPglite(options: object): boolean {
  const { driver } = options as { driver?: { Pool?: { prototype?: object } } | null }
  const pool = driver?.Pool?.prototype
  return pool !== undefined && !('totalCount' in pool)
}

/** The session itself, past TypeORM, whose logger would see the parameters. */
const send: Send = async (queryRunner, sql, parameters) => {
  const connection = (await queryRunner.connect()) as Connection
  return (await asked(connection, sql, parameters)).rows
}

async function asked(
  connection: Connection,
  sql: string,
  parameters: readonly unknown[],
): Promise<{ rows: RawRow[] }> {
  const values = parameters.map((each) => (each instanceof HiddenParameter ? each.toPostgres() : each))
  try {
    return await connection.query(sql, values)
  } catch (error) {
    // PGlite's errors have the parameters.
    if (error instanceof Object)
      for (const name of ['params', 'query', 'queryOptions']) Reflect.deleteProperty(error, name)
    throw error
  }
}

/** The session is that of all DataSources: whoever sends two statements that belong together does so here, one by one. */
let last: Promise<unknown> = Promise.resolve()

const onlyConnection: OnlyConnection = {
  hasOpenTransaction: (driver) =>
    (driver as Driver).connectedQueryRunners.some(({ isTransactionActive }) => isTransactionActive),
  insertUnlessThere(driver, select, insert) {
    const { master } = driver as Driver
    const turn = last.then(async () => {
      if ((await asked(master, ...select)).rows.length === 0) await asked(master, ...insert)
    })
    last = turn.catch(() => undefined)
    return turn
  },
  async refuseUnknownTransaction(driver) {
    const { master } = driver as Driver
    // Outside of a transaction an INSERT is one of its own, and the next statement has no number yet.
    const [now] = (await asked(master, 'SELECT pg_current_xact_id_if_assigned() IS NOT NULL AS open', []))
      .rows
    if (now?.['open'] === true && !onlyConnection.hasOpenTransaction(driver)) {
      throw new InvalidOptionError(
        'a transaction is open that was begun by a statement of its own, so that nobody can tell whether a new data key is stored. With PGlite, begin transactions by TypeORM: dataSource.transaction() or queryRunner.startTransaction().',
      )
    }
  },
  tableByName:
    "SELECT 1 AS found FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p') AND lower(relname) = $1 AND pg_catalog.pg_table_is_visible(oid)",
  release: (queryRunner) => queryRunner.release(),
}

/** PostgreSQL in WebAssembly, in this process: one session, which all query runners of TypeORM have between them. */
export const pglite: Dialect = {
  ...postgres,
  onlyConnection,
  hidesParameters: false,
  openRows: (queryRunner, layout) => PostgresRows.over(queryRunner, layout, send),
}
