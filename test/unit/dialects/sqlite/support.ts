import Sqlite from 'better-sqlite3'
import load from 'sql.js'
import { type QueryRunner } from 'typeorm'
import { type RowsLayout } from '../../../../src/dialects/column-layout'
import { type Dialect } from '../../../../src/dialects/dialect'
import { sqlite, sqljs } from '../../../../src/dialects/sqlite'
import { layoutWith } from '../support'

/** A database in memory, behind what is used of a query runner of TypeORM. */
export interface Memory {
  readonly dialect: Dialect
  readonly driver: object
  readonly queryRunner: QueryRunner
  exec(sql: string): void
  /** How often the driver was asked to store the database in its file. */
  saved(): number
}

type Row = Record<string, unknown>

function memory(
  dialect: Dialect,
  driver: object,
  own: { all(sql: string, parameters: unknown[]): Row[]; exec(sql: string): void; saved(): number },
): Memory {
  const query = (sql: string, parameters: unknown[] = []): Promise<Row[]> =>
    Promise.resolve(own.all(sql, parameters))
  return { dialect, driver, ...own, queryRunner: { driver, query } as unknown as QueryRunner }
}

export const memories: Readonly<Record<string, () => Promise<Memory>>> = {
  'better-sqlite3': () => {
    const database = new Sqlite(':memory:')
    return Promise.resolve(
      memory(
        sqlite,
        { databaseConnection: database },
        {
          all: (sql, parameters) => {
            const statement = database.prepare(sql)
            if (statement.reader) return statement.all(...parameters) as Row[]
            statement.run(...parameters)
            return []
          },
          exec: (sql) => void database.exec(sql),
          saved: () => 0,
        },
      ),
    )
  },
  'sql.js': async () => {
    const { Database } = await load()
    const database = new Database()
    let saves = 0
    const autoSave = (): Promise<void> => {
      saves++
      return Promise.resolve()
    }
    return memory(
      sqljs,
      { databaseConnection: database, autoSave },
      {
        all: (sql, parameters) => {
          const statement = database.prepare(sql)
          statement.bind(parameters)
          const rows: Row[] = []
          while (statement.step()) rows.push(statement.getAsObject())
          statement.free()
          return rows
        },
        exec: (sql) => {
          database.exec(sql)
        },
        saved: () => saves,
      },
    )
  },
}

const escape = (name: string): string => `"${name}"`

/** An encrypted column `secret` of a table `usr`. */
export async function layoutOf(
  { dialect, queryRunner }: Memory,
  { keys = ['id'], ...more }: Partial<Omit<RowsLayout, 'keys'>> & { keys?: string[] } = {},
): Promise<RowsLayout> {
  const table = { path: 'usr', sql: '"usr"', escape }
  const names = keys.map((name) => ({ property: name, name }))
  const found = await dialect.readKeys(queryRunner, table, names)
  return layoutWith(dialect, found, { table: '"usr"', name: '"secret"', ...more })
}
