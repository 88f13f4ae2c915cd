import Database from 'better-sqlite3'
import { type QueryRunner } from 'typeorm'
import { rebuildTables } from '../../../src/migration/rebuild-tables'

interface Rebuild {
  runner: QueryRunner
  sent: string[]
  rows: (sql: string) => unknown[]
  /** Makes a table anew, as TypeORM does. */
  anew: (table?: string) => () => Promise<void>
}

/** A database with a table, one that refers to it, and triggers. */
function open(enforced = true): Rebuild {
  const database = new Database(':memory:')
  database.exec(`
    PRAGMA foreign_keys = ${enforced ? 'ON' : 'OFF'};
    ATTACH ':memory:' AS other;
    CREATE TABLE user (id int PRIMARY KEY, secret text);
    CREATE TABLE post (id int, owner int REFERENCES User (id) ON DELETE CASCADE);
    CREATE TABLE other.user (id int PRIMARY KEY);
    INSERT INTO user VALUES (1, 'a');
    INSERT INTO post VALUES (10, 1);
    CREATE TRIGGER of_user AFTER UPDATE ON User BEGIN SELECT 1; END;
    CREATE TRIGGER of_post AFTER UPDATE ON post BEGIN SELECT 1; END;
    CREATE TRIGGER other.of_other AFTER UPDATE ON user BEGIN SELECT 1; END;
  `)
  const sent: string[] = []
  const rows = (sql: string, parameters: unknown[] = []): unknown[] => {
    const statement = database.prepare(sql)
    if (statement.reader) return statement.all(...parameters)
    statement.run(...parameters)
    return []
  }
  const runner = {
    isTransactionActive: false,
    query: (sql: string, parameters?: unknown[]) => {
      sent.push(sql)
      return Promise.resolve(rows(sql, parameters))
    },
    ...Object.fromEntries(
      [
        ['startTransaction', 'BEGIN'],
        ['commitTransaction', 'COMMIT'],
        ['rollbackTransaction', 'ROLLBACK'],
      ].map(([name = '', sql = '']) => [
        name,
        () => {
          runner.isTransactionActive = sql === 'BEGIN'
          sent.push(sql)
          database.exec(sql)
          return Promise.resolve()
        },
      ]),
    ),
  }
  const anew =
    (table = 'user') =>
    () => {
      database.exec(`CREATE TABLE copied AS SELECT * FROM ${table}; DROP TABLE ${table};`)
      database.exec(`CREATE TABLE ${table} AS SELECT * FROM copied; DROP TABLE copied;`)
      return Promise.resolve()
    }
  return { runner: runner as unknown as QueryRunner, sent, rows, anew }
}

const OF_OTHER = "SELECT name, tbl_name, sql FROM other.sqlite_master WHERE type = 'trigger' ORDER BY name"
const TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name"

describe('tables of SQLite that are made anew', () => {
  it('keep their triggers, and the rows of tables that refer to them', async () => {
    const { runner, rows, sent, anew } = open()
    await rebuildTables(runner, ['user'], anew())
    expect(rows('SELECT * FROM post')).toEqual([{ id: 10, owner: 1 }])
    expect(rows(TRIGGERS)).toEqual([{ name: 'of_post' }, { name: 'of_user' }])
    expect(rows('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 1 }])
    const own = sent.filter((sql) => /^(PRAGMA foreign_keys =|BEGIN|COMMIT)/.test(sql))
    expect(own).toEqual(['PRAGMA foreign_keys = OFF', 'BEGIN', 'COMMIT', 'PRAGMA foreign_keys = ON'])
  })

  it('leave a database as it is that enforces no references', async () => {
    const { runner, rows, sent, anew } = open(false)
    await rebuildTables(runner, ['user'], anew())
    expect(rows(TRIGGERS)).toHaveLength(2)
    expect(sent.filter((sql) => sql.startsWith('PRAGMA foreign_keys ='))).toEqual([])
    expect(rows('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 0 }])
  })

  it('are as they were where the work fails', async () => {
    const { runner, rows, anew } = open()
    const failed = new Error('failed')
    const work = async (): Promise<void> => {
      await anew()()
      throw failed
    }
    await expect(rebuildTables(runner, ['user'], work)).rejects.toBe(failed)
    expect(rows(TRIGGERS)).toHaveLength(2)
    expect(rows('PRAGMA foreign_keys')).toEqual([{ foreign_keys: 1 }])
  })

  it('are refused inside of a transaction where another table refers to them, before anything is done', async () => {
    const { runner, sent } = open()
    await runner.startTransaction()
    const work = jest.fn()
    const error = (await rebuildTables(runner, ['post', 'user'], work).catch(
      (each: unknown) => each,
    )) as Error
    expect(error).toMatchObject({ code: 'REBUILD_REFUSED' })
    expect(error.message).toContain('the table user is referenced by post, and')
    expect(work).not.toHaveBeenCalled()
    expect(sent.filter((sql) => /^(PRAGMA foreign_keys =|COMMIT|ROLLBACK)/.test(sql))).toEqual([])
  })

  it('are made anew inside of a transaction that is left open, where none refers to them', async () => {
    const { runner, sent, rows, anew } = open()
    await runner.startTransaction()
    await rebuildTables(runner, ['post', 'other.user'], anew('post'))
    expect(rows(TRIGGERS)).toHaveLength(2)
    expect(sent.filter((sql) => /^(COMMIT|ROLLBACK)/.test(sql))).toEqual([])
    expect(runner.isTransactionActive).toBe(true)
    const free = open(false)
    await free.runner.startTransaction()
    await rebuildTables(free.runner, ['user'], free.anew())
    expect(free.rows(TRIGGERS)).toHaveLength(2)
  })

  it('have their triggers in the database that they are in, where two have the same name', async () => {
    const { runner, rows, anew } = open()
    rows('CREATE TRIGGER other."of_user" AFTER DELETE ON user BEGIN SELECT 2; END')
    const before = rows(OF_OTHER)
    await rebuildTables(runner, ['other.user'], anew('other.user'))
    expect(rows(OF_OTHER)).toEqual(before)
    await rebuildTables(runner, ['user', 'other.user'], async () => {
      await anew('user')()
      await anew('other.user')()
    })
    expect(rows(OF_OTHER)).toEqual(before)
    expect(rows(TRIGGERS)).toEqual([{ name: 'of_post' }, { name: 'of_user' }])
  })
})

it('Tables that are made anew: a transaction that the database has ended hides no error', async () => {
  const full = new Error('database or disk is full')
  const sent: string[] = []
  const runner = {
    isTransactionActive: false,
    query: (sql: string) => {
      sent.push(sql)
      return Promise.resolve(sql === 'PRAGMA foreign_keys' && sent.length === 1 ? [{ foreign_keys: 1 }] : [])
    },
    startTransaction: () => Promise.resolve(),
    rollbackTransaction: () => Promise.reject(new Error('cannot rollback - no transaction is active')),
  } as unknown as QueryRunner
  await expect(rebuildTables(runner, ['user'], () => Promise.reject(full))).rejects.toBe(full)
  expect(sent.at(-1)).toBe('PRAGMA foreign_keys = ON')
})
