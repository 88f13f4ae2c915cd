import { type TableName } from '../../../../src/dialects/dialect'
import { type RowColumn } from '../../../../src/dialects/row-column'
import { Parameters } from '../../../../src/dialects/rows/key-order'
import { rowidOf } from '../../../../src/dialects/sqlite/keys'
import { failureOf, sessionWith } from '../support'
import { memories, type Memory } from './support'

const table: TableName = { path: 'main.usr', sql: '"usr"', escape: (name) => `"${name}"` }

describe('What the catalogue of SQLite says', () => {
  let db: Memory
  beforeEach(async () => {
    db = await memories['better-sqlite3']!()
  })

  describe('of columns that values are bound to', () => {
    const columnsOf = (...names: string[]): Promise<ReadonlyMap<string, RowColumn>> =>
      db.dialect.rowColumns(db.queryRunner, table, names)
    const columnOf = async (name: string): Promise<RowColumn | undefined> => (await columnsOf(name)).get(name)

    it('finds them whatever the case of their names, and gives them the name that was asked for', async () => {
      db.exec('CREATE TABLE usr (Id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, other TEXT)')
      expect([...(await columnsOf('TENANT', 'id', 'missing')).keys()].sort()).toEqual(['TENANT', 'id'])
    })

    it('finds none where there is no table, or none of them', async () => {
      expect((await columnsOf('tenant')).size).toBe(0)
      db.exec('CREATE TABLE usr (id)')
      expect((await columnsOf('tenant')).size).toBe(0)
    })

    it('asks for nothing more where there is none of them', async () => {
      const { queryRunner, sent } = sessionWith({ pragma_table_xinfo: [{ name: 'id' }] })
      expect((await db.dialect.rowColumns(queryRunner, table, ['tenant'])).size).toBe(0)
      expect(sent.map(({ parameters }) => parameters)).toEqual([['usr']])
    })

    it.each([
      ['INTEGER', 'integer'],
      ['bigint', 'integer'],
      ['UNSIGNED BIG INT', 'integer'],
      ['boolean', 'integer'],
      ['BLOB', 'bytes'],
      ['varchar(36)', 'text'],
      ['varchar (36)', 'text'],
      ['nvarchar', 'text'],
      ['TEXT', 'text'],
      ['clob', 'text'],
      ['varying character(9)', 'text'],
    ])('has a form for a column of type %s', async (type, kind) => {
      db.exec(`CREATE TABLE usr (tenant ${type} NOT NULL)`)
      expect(await columnOf('tenant')).toMatchObject({ type, form: { kind } })
    })

    it('has integers that no driver rounds', async () => {
      db.exec('CREATE TABLE usr (tenant INTEGER)')
      expect(await columnOf('tenant')).toMatchObject({
        form: { min: -9007199254740991n, max: 9007199254740991n },
      })
    })

    it('has no limit for bytes and texts, and every character', async () => {
      db.exec('CREATE TABLE usr (a BLOB, b varchar(3))')
      const columns = await columnsOf('a', 'b')
      expect(columns.get('a')?.form).toEqual({ kind: 'bytes', length: undefined })
      expect(columns.get('b')?.form).toEqual({ kind: 'text', length: undefined, isAscii: false })
    })

    it.each([
      'REAL',
      'datetime',
      'numeric(9,2)',
      'json',
      'my_boolean',
      'boolean_my',
      'blobs',
      'my_blob',
      'a varchar',
      'text of mine',
    ])('has no form for a column of type %s', async (type) => {
      db.exec(`CREATE TABLE usr (tenant ${type})`)
      expect((await columnOf('tenant'))?.form).toEqual(expect.any(String))
    })

    it.each(['NOCASE', 'RTRIM'])('has no form for a text that is compared by %s', async (collation) => {
      db.exec(`CREATE TABLE usr (tenant TEXT COLLATE ${collation})`)
      expect((await columnOf('tenant'))?.form).toContain('BINARY')
    })

    it('tells which can be NULL', async () => {
      db.exec('CREATE TABLE usr (id INTEGER PRIMARY KEY, a TEXT, b TEXT NOT NULL)')
      const columns = await columnsOf('id', 'a', 'b')
      expect([...columns.values()].map(({ isNullable }) => isNullable)).toEqual([false, true, false])
      db.exec('CREATE TABLE pair (a TEXT PRIMARY KEY); CREATE VIEW seen AS SELECT a FROM usr')
      const ofTable = (path: string): Promise<ReadonlyMap<string, RowColumn>> =>
        db.dialect.rowColumns(db.queryRunner, { ...table, path, sql: `"${path}"` }, ['a'])
      expect((await ofTable('pair')).get('a')?.isNullable).toBe(true)
      expect((await ofTable('seen')).get('a')?.isNullable).toBe(false)
      db.exec('CREATE TEMP TABLE passing (a TEXT)')
      expect((await ofTable('passing')).get('a')?.isNullable).toBe(true)
    })

    it('tells which the database makes', async () => {
      db.exec('CREATE TABLE usr (id integer PRIMARY KEY, other integer)')
      const columns = await columnsOf('id', 'other')
      expect(columns.get('id')?.made).toEqual({ kind: 'inserted', isUndone: true, replacesZero: false })
      expect(columns.get('other')?.made).toBeUndefined()
      db.exec('DROP TABLE usr; CREATE TABLE usr (id bigint PRIMARY KEY, other integer)')
      expect((await columnOf('id'))?.made).toBeUndefined()
      db.exec('DROP TABLE usr; CREATE TABLE usr (id integers PRIMARY KEY)')
      expect((await columnOf('id'))?.made).toBeUndefined()
      db.exec('DROP TABLE usr; CREATE TABLE usr (id xinteger PRIMARY KEY)')
      expect((await columnOf('id'))?.made).toBeUndefined()
    })

    it('tells which are generated', async () => {
      db.exec('CREATE TABLE usr (a INTEGER, tenant INTEGER AS (a + 1) STORED, v INTEGER AS (a + 1))')
      const columns = await columnsOf('a', 'tenant', 'v')
      expect([...columns.values()].map(({ changedBy }) => changedBy)).toEqual([
        undefined,
        'a generated expression',
        'a generated expression',
      ])
    })

    it('takes a hidden column of a virtual table for no generated one', async () => {
      db.exec('CREATE VIRTUAL TABLE usr USING fts5 (body)')
      expect((await columnsOf('rank')).get('rank')).toMatchObject({ changedBy: undefined })
    })

    it.each([
      ['ON UPDATE CASCADE', true],
      ['ON UPDATE SET NULL', true],
      ['ON UPDATE SET DEFAULT', true],
      ['ON UPDATE RESTRICT', false],
      ['ON DELETE CASCADE', false],
    ])('tells which a foreign key changes: %s', async (rule, isChanged) => {
      db.exec(`CREATE TABLE tenant (id INTEGER PRIMARY KEY);
        CREATE TABLE usr (Tenant INTEGER REFERENCES tenant ${rule}, other INTEGER)`)
      const columns = await columnsOf('tenant', 'other')
      expect(columns.get('tenant')?.changedBy?.includes('foreign key') ?? false).toBe(isChanged)
      expect(columns.get('other')?.changedBy).toBeUndefined()
    })

    it.each([
      ['UPDATE usr SET tenant = 7 WHERE id = NEW.id', true],
      ['UPDATE usr SET other = 1, tenant = 7', true],
      ['UPDATE OR REPLACE usr SET tenant = 7', true],
      ['UPDATE "usr" SET "tenant" = 7', true],
      ['UPDATE [usr] SET tenant = 7', true],
      ['UPDATE usr SET [tenant] = 7', true],
      ['UPDATE usr SET (other, tenant) = (1, 7)', true],
      ['UPDATE usr SET (tenant, other) = (SELECT 7, 1)', true],
      ['UPDATE usr SET (other, name) = (1, NEW.tenant)', false],
      ['update USR\nset TENANT=7', true],
      ['UPDATE usr SET other = 1; UPDATE usr SET tenant = 7 WHERE id = 1', true],
      ['UPDATE usr SET other = 1 WHERE tenant = 7', false],
      ['UPDATE usr SET other = 1\nWHERE tenant = 7', false],
      ['UPDATE log SET tenant = 7', false],
      ['UPDATE usrs SET tenant = 7', false],
      ["INSERT INTO log VALUES ('UPDATE'); SELECT 1 WHERE NEW.tenant = 7", false],
    ])('tells which a trigger changes: %s', async (statement, isChanged) => {
      db.exec(`CREATE TABLE usr (id INTEGER PRIMARY KEY, tenant INTEGER, other INTEGER);
        CREATE TABLE usrs (tenant); CREATE TABLE log (tenant);
        CREATE TRIGGER moves AFTER INSERT ON usr BEGIN ${statement}; END`)
      expect((await columnOf('tenant'))?.changedBy).toBe(isChanged ? 'the trigger moves' : undefined)
    })
  })

  describe('of a key', () => {
    const readKeys = (...names: string[]) =>
      db.dialect.readKeys(
        db.queryRunner,
        table,
        names.map((name) => ({ property: `${name}Property`, name })),
      )

    it('is asked whether it tells rows apart, where there is no rowid', async () => {
      db.exec(`CREATE TABLE some (id INTEGER, part); INSERT INTO some VALUES (1, 1), (1, 2);
        CREATE VIEW usr AS SELECT * FROM some`)
      await expect(readKeys('id')).rejects.toMatchObject({ code: 'NO_PRIMARY_KEY' })
      await expect(readKeys('id', 'part')).resolves.toHaveLength(2)
      db.exec('INSERT INTO some VALUES (NULL, 3)')
      await expect(readKeys('id', 'part')).rejects.toMatchObject({ code: 'NO_PRIMARY_KEY' })
    })

    it('has the type of the catalogue, and the name of the property', async () => {
      db.exec('CREATE TABLE usr (id INTEGER, other TEXT); INSERT INTO usr VALUES (1, NULL), (1, NULL)')
      expect(await readKeys('ID')).toMatchObject([{ property: 'IDProperty', sql: '"ID"', type: 'INTEGER' }])
    })

    it('is an error where there is no such column', async () => {
      db.exec('CREATE TABLE usr (id INTEGER)')
      const error: unknown = await readKeys('missing').catch((each: unknown) => each)
      expect(error).toMatchObject({ code: 'NO_PRIMARY_KEY' })
      expect(String(error)).toContain('missingProperty')
    })

    it.each([
      [1n, '?', [1n]],
      ['a', '?', ['a']],
      [9007199254740991n, '?', [9007199254740991n]],
      [9007199254740992n, '+CAST(? AS INTEGER)', ['9007199254740992']],
      [-9007199254740992n, '+CAST(? AS INTEGER)', ['-9007199254740992']],
    ])('is sent without loss: %p', async (value, sql, sent) => {
      db.exec('CREATE TABLE usr (id INTEGER)')
      const parameters = new Parameters(() => '?')
      const [key] = await readKeys('id')
      expect(key?.value(value, parameters)).toBe(sql)
      expect(parameters.values).toEqual(sent)
    })

    it.each([
      ['CREATE TABLE usr (id)', 'rowid'],
      ['CREATE TABLE usr (RowId)', '_rowid_'],
      ['CREATE TABLE usr (rowid, _rowid_)', 'oid'],
      ['CREATE TABLE usr (rowid, _rowid_, oid)', undefined],
      ['CREATE TABLE usr (id INTEGER PRIMARY KEY) WITHOUT ROWID', undefined],
      ['CREATE VIEW usr AS SELECT 1 AS id', undefined],
      ['CREATE TABLE other (id)', undefined],
    ])('may be a rowid: %s', async (create, name) => {
      db.exec(create)
      const query = (sql: string, parameters: unknown[]): Promise<unknown[]> =>
        db.queryRunner.query(sql, parameters) as Promise<unknown[]>
      expect(await rowidOf(query, 'main.usr')).toBe(name)
    })
  })

  describe('of a table', () => {
    const layout = { path: 'main.usr', table: '"usr"' }

    beforeEach(() => {
      db.exec(`CREATE TABLE tenant (id INTEGER PRIMARY KEY, code TEXT UNIQUE);
        CREATE TABLE usr (id INTEGER PRIMARY KEY, secret, code TEXT REFERENCES tenant (code));
        CREATE TABLE child (secret REFERENCES usr (secret))`)
    })

    it('names the triggers that an UPDATE fires', async () => {
      db.exec(`CREATE TRIGGER touched AFTER UPDATE ON Usr BEGIN SELECT 1; END;
        CREATE TRIGGER inserted AFTER INSERT ON usr BEGIN SELECT 1; END;
        CREATE TRIGGER elsewhere AFTER UPDATE ON child BEGIN SELECT 1; END`)
      expect(await db.dialect.triggers(db.queryRunner, layout)).toEqual(['touched'])
    })

    it('names the tables of foreign keys on either side', async () => {
      const of = (column: string): Promise<string[]> => db.dialect.foreignKeys(db.queryRunner, layout, column)
      expect(await of('CODE')).toEqual(['a foreign key of the table usr'])
      expect(await of('secret')).toEqual(['a foreign key of the table child'])
      expect(await of('id')).toEqual([])
    })

    it('has the statements of its indexes', async () => {
      db.exec('CREATE INDEX some ON usr (secret) WHERE id > 1; CREATE INDEX other ON child (secret)')
      expect([...(await db.dialect.indexDefinitions(db.queryRunner, layout))]).toEqual([
        ['some', 'CREATE INDEX some ON usr (secret) WHERE id > 1'],
      ])
    })

    it('has nothing of what other databases have', async () => {
      const { dialect, queryRunner } = db
      const column = { ...layout, kind: 'text' } as never
      expect(await dialect.replacedUpdates(queryRunner, layout)).toEqual([])
      expect(await dialect.hiddenBy(queryRunner, layout)).toBeUndefined()
      expect(await dialect.cutsOffValues(queryRunner)).toBeUndefined()
      expect(await dialect.allVersions(queryRunner, layout)).toBeUndefined()
      expect(await dialect.comparedAs(queryRunner, column)).toBeUndefined()
      expect((await dialect.expressionIndexes(queryRunner, layout, 'secret')).size).toBe(0)
      expect(await dialect.uniqueKeys(queryRunner, table)).toEqual([])
      expect(await dialect.keyStep(queryRunner)).toBe(1)
      expect(await dialect.textOptions(queryRunner, 'usr', 'secret')).toBe('')
      expect(
        await dialect.capacityOf(queryRunner, 'usr', { name: 'secret', type: 'varchar', length: '9' }),
      ).toBeUndefined()
      await expect((await dialect.fixFormats(queryRunner, []))()).resolves.toBeUndefined()
    })

    it('is waited for as long as a pass says, and as before it afterwards', async () => {
      const timeout = async (): Promise<unknown> =>
        ((await db.queryRunner.query('PRAGMA busy_timeout')) as unknown[])[0]
      const before = await timeout()
      const restore = await db.dialect.limitLockWait(db.queryRunner, 1234)
      expect(await timeout()).toEqual({ timeout: 1234 })
      await restore()
      expect(await timeout()).toEqual(before)
    })
  })
})

describe.each(Object.entries(memories))('The only connection of %s', (_, open) => {
  let db: Memory
  const connection = () => db.dialect.onlyConnection!
  const rows = async (): Promise<unknown[]> => (await db.queryRunner.query('SELECT id FROM key')) as unknown[]
  const select = ['SELECT 1 AS found FROM key WHERE id = ?', [1]] as const
  const insert = ['INSERT INTO key VALUES (?)', [1]] as const

  beforeEach(async () => {
    db = await open()
    db.exec('CREATE TABLE key (id INTEGER PRIMARY KEY)')
  })

  it('says whether a transaction is open', () => {
    expect(connection().hasOpenTransaction(db.driver)).toBe(false)
    db.exec('BEGIN')
    expect(connection().hasOpenTransaction(db.driver)).toBe(true)
    db.exec('COMMIT')
    expect(connection().hasOpenTransaction(db.driver)).toBe(false)
  })

  it('inserts a row where there is none, in a transaction of its own or in the one that is open', async () => {
    await connection().insertUnlessThere(db.driver, [select[0], [1]], [insert[0], [1]])
    expect(await rows()).toEqual([{ id: 1 }])
    expect(connection().hasOpenTransaction(db.driver)).toBe(false)
    await connection().insertUnlessThere(db.driver, [select[0], [1]], [insert[0], [2]])
    expect(await rows()).toEqual([{ id: 1 }])
    db.exec('BEGIN')
    await connection().insertUnlessThere(db.driver, [select[0], [3]], [insert[0], [3]])
    expect(await rows()).toEqual([{ id: 1 }, { id: 3 }])
    db.exec('ROLLBACK')
    expect(await rows()).toEqual([{ id: 1 }])
  })

  it('lets no other process come between the look and the row', async () => {
    const { databaseConnection } = db.driver as { databaseConnection: { exec(sql: string): unknown } }
    const { dialect } = db
    const begun: string[] = []
    // better-sqlite3 begins transactions by itself, sql.js is told to.
    const traced = new Proxy(databaseConnection, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        return (...given: unknown[]): unknown => {
          if (name === 'transaction') begun.push('BEGIN IMMEDIATE')
          if (name === 'exec') begun.push(String(given[0]))
          return value.apply(target, given)
        }
      },
    })
    await dialect.onlyConnection!.insertUnlessThere(
      { databaseConnection: traced },
      [select[0], [1]],
      [insert[0], [1]],
    )
    expect(begun).toContain('BEGIN IMMEDIATE')
    expect(await rows()).toEqual([{ id: 1 }])
  })

  it('says what a row was refused for', async () => {
    const refused = connection().insertUnlessThere(
      db.driver,
      ['SELECT 1 WHERE ?', [0]],
      ['INSERT INTO missing VALUES (?)', [1]],
    )
    expect(String(await failureOf(refused))).toContain('no such table')
    expect(connection().hasOpenTransaction(db.driver)).toBe(false)
  })

  it('looks a table up by its name in lower case', async () => {
    db.exec('CREATE TABLE Other (id); CREATE VIEW seen AS SELECT 1')
    const found = async (name: string): Promise<number> =>
      ((await db.queryRunner.query(connection().tableByName, [name])) as unknown[]).length
    expect([await found('other'), await found('seen'), await found('missing')]).toEqual([1, 0, 0])
  })

  it('keeps the query runner, which is that of the application', async () => {
    const queryRunner = { release: () => Promise.reject(new Error('released')) }
    await expect(connection().release(queryRunner as never)).resolves.toBeUndefined()
  })
})

describe('sql.js, which has no transactions in its interface,', () => {
  it('throws what happened, though a trigger has rolled back already', async () => {
    const db = await memories['sql.js']!()
    db.exec(`CREATE TABLE key (id INTEGER PRIMARY KEY);
      CREATE TRIGGER refuses BEFORE INSERT ON key BEGIN SELECT RAISE(ROLLBACK, 'not here'); END`)
    const refused = db.dialect.onlyConnection!.insertUnlessThere(
      db.driver,
      ['SELECT 1 WHERE ?', [0]],
      ['INSERT INTO key VALUES (?)', [1]],
    )
    expect(String(await failureOf(refused))).toContain('not here')
  })
})
