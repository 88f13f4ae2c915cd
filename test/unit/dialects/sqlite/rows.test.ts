import { type RowsLayout } from '../../../../src/dialects/column-layout'
import { type ColumnRow, type ColumnRows } from '../../../../src/dialects/rows/column-rows'
import { failureOf } from '../support'
import { layoutOf, memories, type Memory } from './support'

const SEALED = Buffer.from('c101010203', 'hex')
const BASE64 = 'wQEBAgM='

describe.each(Object.entries(memories))('The rows of a column on %s', (_, open) => {
  let db: Memory

  beforeEach(async () => {
    db = await open()
    db.exec('CREATE TABLE usr (id INTEGER PRIMARY KEY, secret, secret_index, tenant, other)')
  })

  const put = (id: unknown, secret: unknown, tenant: unknown = null): Promise<unknown> =>
    db.queryRunner.query('INSERT INTO usr (id, secret, tenant) VALUES (?, ?, ?)', [id, secret, tenant])

  async function rowsOf(layout: Parameters<typeof layoutOf>[1] = {}): Promise<ColumnRows> {
    return db.dialect.openRows(db.queryRunner, await layoutOf(db, layout))
  }

  async function all(rows: ColumnRows, page: Partial<Parameters<ColumnRows['page']>[0]> = {}) {
    return rows.page({ after: undefined, limit: 100, ...page })
  }

  async function first(rows: ColumnRows): Promise<ColumnRow> {
    const [row] = await all(rows)
    if (!row) throw new Error('no row')
    return row
  }

  const values = (rows: readonly ColumnRow[]): unknown[] => rows.map(({ stored }) => stored)
  const keys = (rows: readonly ColumnRow[]): number[] => rows.map(({ key }) => Number(key[0]))

  describe('as they are counted', () => {
    beforeEach(async () => {
      await put(1, SEALED)
      await put(2, BASE64)
      await put(3, 'plain')
      await put(4, '')
      await put(5, null)
      await put(6, Buffer.from('longer than a ciphertext'))
    })

    it('have a value, and may be plaintext', async () => {
      const rows = await rowsOf()
      expect(await rows.count()).toBe(5)
      expect(await rows.countPlaintext()).toBe(3)
    })

    it('are as long as the bytes of their value', async () => {
      const rows = await rowsOf()
      expect(await rows.longest(false)).toBe(24)
      await db.queryRunner.query("UPDATE usr SET secret = 'üü' WHERE id = 6")
      expect(await rows.longest(true)).toBe(5)
      expect(await rows.longest(false)).toBe(8)
      db.exec("UPDATE usr SET secret = 'üüü' WHERE id = 6")
      expect(await rows.longest(true)).toBe(6)
    })

    it('have no length where there are none', async () => {
      db.exec('DELETE FROM usr')
      const rows = await rowsOf()
      expect(await rows.longest(false)).toBe(0)
      expect(await rows.count()).toBe(0)
    })

    it('are counted by the value of an expression', async () => {
      const counted = await (await rowsOf()).countBy('typeof(secret)')
      expect(counted.map(({ value, rows }) => [value, rows]).sort()).toEqual([
        ['blob', 2],
        ['text', 3],
      ])
    })

    it('are in one shard each, the same for every question', async () => {
      const rows = await rowsOf()
      for (let id = 10; id < 100; id++) await put(id, SEALED)
      const shards = await Promise.all(
        [1, 2, 3].map(async (index) => {
          const shard = { index, count: 3 }
          const page = await all(rows, { shard, limit: 1_000 })
          expect(await rows.count(shard)).toBe(page.length)
          expect((await rows.countBy('1', shard))[0]?.rows).toBe(page.length)
          expect(page.length).toBeGreaterThan(20)
          expect((await all(rows, { shard, limit: 1_000, boundOnly: true })).length).toBeGreaterThan(20)
          return { ids: keys(page), plaintext: await rows.countPlaintext(shard) }
        }),
      )
      const ids = shards.flatMap((shard) => shard.ids)
      expect(ids).toHaveLength(95)
      expect(new Set(ids).size).toBe(95)
      expect(shards.reduce((sum, { plaintext }) => sum + plaintext, 0)).toBe(3)
    })
  })

  describe('as they are read', () => {
    it('come in the order of their key, after one of them', async () => {
      for (const id of [3, 1, 2]) await put(id, `v${id}`)
      await put(4, null)
      const rows = await rowsOf()
      const page = await all(rows, { limit: 2 })
      expect(values(page)).toEqual(['v1', 'v2'])
      expect(values(await all(rows, { after: page[1]?.key, limit: 2 }))).toEqual(['v3'])
    })

    it('keep bytes as bytes and text as text, and text that is no UTF-8 as bytes', async () => {
      await put(1, Buffer.from('a'))
      await put(2, 'ü')
      db.exec("INSERT INTO usr (id, secret) VALUES (3, CAST(x'ff' AS TEXT)), (4, 17)")
      expect(values(await all(await rowsOf()))).toEqual([Buffer.from('a'), 'ü', Buffer.from([0xff]), '17'])
    })

    it('have keys without their values, where nothing else is asked for', async () => {
      await put(1, SEALED, 't')
      const [row] = await all(await rowsOf({ bound: [{ name: 'tenant', sql: '"tenant"' }] }), {
        keysOnly: true,
      })
      expect(row).toMatchObject({ stored: '', id: 'n1' })
      expect(Object.keys(row ?? {})).toEqual(['key', 'id', 'stored', 'primaryKey'])
    })

    it('have what they are bound to, also where they have no value', async () => {
      await put(1, null, 't')
      const rows = await rowsOf({ bound: [{ name: 'tenant', sql: '"tenant"' }], beside: ['"secret_index"'] })
      const [row] = await all(rows, { boundOnly: true })
      expect(row?.valueOf('tenant')).toBe('t')
      expect(row?.stored).toBe('')
      expect(row?.beside).toBeUndefined()
    })

    it('have the value with what it is bound to and its indexes', async () => {
      await put(1, SEALED, 't')
      await put(2, SEALED, '5')
      await put(3, SEALED)
      db.exec('UPDATE usr SET secret_index = 17 WHERE id = 3')
      db.exec(
        "UPDATE usr SET secret_index = x'aabb' WHERE id = 1; UPDATE usr SET secret_index = 'cc' WHERE id = 2",
      )
      const rows = await rowsOf({
        bound: [{ name: 'tenant', sql: '"tenant"' }],
        beside: ['"secret_index"', '"other"'],
      })
      const found = await all(rows)
      expect(found.map((row) => row.valueOf('tenant'))).toEqual(['t', '5', null])
      expect(found.map(({ beside }) => beside)).toEqual([
        [Buffer.from('aabb', 'hex'), null],
        ['cc', null],
        [null, null],
      ])
      expect(Buffer.isBuffer(found[0]?.beside?.[0])).toBe(true)
    })

    it('tell nothing of what nobody declared', async () => {
      await put(1, SEALED)
      const row = await first(await rowsOf())
      expect(Object.keys(row)).toEqual(['key', 'id', 'stored', 'primaryKey'])
    })

    it('are read again as they are now, without those that are gone', async () => {
      for (const id of [1, 2, 3]) await put(id, 'before')
      const rows = await rowsOf()
      const page = await all(rows)
      db.exec(
        "UPDATE usr SET secret = 'after' WHERE id = 1; DELETE FROM usr WHERE id = 2; UPDATE usr SET secret = NULL WHERE id = 3",
      )
      expect(values(await rows.again(page))).toEqual(['after'])
      expect(await rows.again([])).toEqual([])
    })

    it('have integers with all their digits', async () => {
      db.exec(
        "INSERT INTO usr (id, secret) VALUES (9007199254740993, 'a'), (9007199254740992, 'b'), (-9007199254740993, 'c')",
      )
      const rows = await rowsOf()
      const page = await all(rows)
      expect(page.map(({ key }) => key[0])).toEqual([
        -9007199254740993n,
        9007199254740992n,
        9007199254740993n,
      ])
      expect(values(await all(rows, { after: page[1]?.key }))).toEqual(['a'])
      expect(page[2]?.primaryKey()).toEqual({ id: '9007199254740993' })
    })
  })

  describe('without a rowid', () => {
    it('are gone through in the order of their key, whatever its type', async () => {
      db.exec(`DROP TABLE usr; CREATE TABLE usr (id, part, secret, PRIMARY KEY (id, part)) WITHOUT ROWID;
        INSERT INTO usr VALUES (1, 1, 'a'), (1.5, 1, 'b'), ('1', 1, 'c'), ('1', 2, 'd'), (CAST(x'ff' AS TEXT), 1, 'e'),
          (x'31', 1, 'f'), (x'31', 2, 'g'), (9007199254740993, 1, 'h')`)
      const rows = await rowsOf({ keys: ['id', 'part'] })
      const met: unknown[] = []
      for (let after: ColumnRow['key'] | undefined; ;) {
        const page = await all(rows, { after, limit: 1 })
        if (!page[0]) break
        expect(await rows.again(page)).toMatchObject([{ stored: page[0].stored }])
        met.push(page[0].stored)
        after = page[0].key
      }
      expect(met).toEqual(['a', 'b', 'h', 'c', 'd', 'e', 'f', 'g'])
      const page = await all(rows)
      expect(new Set(page.map(({ id }) => id)).size).toBe(8)
      expect(page.map((row) => row.primaryKey()['id'])).toEqual([
        '1',
        '1.5',
        '9007199254740993',
        '1',
        '1',
        '\ufffd',
        '31',
        '31',
      ])
    })
  })

  describe('as they are written', () => {
    const bound = [{ name: 'tenant', sql: '"tenant"' }]

    it('change where they still are what was read', async () => {
      for (const id of [1, 2, 3]) await put(id, `v${id}`)
      const rows = await rowsOf()
      const page = await all(rows)
      db.exec("UPDATE usr SET secret = 'meanwhile' WHERE id = 2")
      const written = await rows.write(page.map((row) => ({ row, value: SEALED })))
      expect([...written]).toEqual(['n1', 'n3'])
      expect(values(await all(rows))).toEqual([SEALED, 'meanwhile', SEALED])
    })

    it('do not change where what they are bound to did', async () => {
      await put(1, 'v', 't')
      await put(2, 'v')
      const rows = await rowsOf({ bound })
      const page = await all(rows)
      db.exec("UPDATE usr SET tenant = 'u' WHERE id = 1")
      expect([...(await rows.write(page.map((row) => ({ row, value: 'w' }))))]).toEqual(['n2'])
    })

    it('get their indexes with the value, or keep them', async () => {
      await put(1, 'v')
      db.exec("UPDATE usr SET secret_index = 'kept', other = 'gone'")
      const rows = await rowsOf({ beside: ['"secret_index"', '"other"'] })
      await rows.write([{ row: await first(rows), value: 'w' }])
      expect((await first(rows)).beside).toEqual(['kept', 'gone'])
      await rows.write([{ row: await first(rows), value: 'x', beside: [Buffer.from('i'), null] }])
      expect(await first(rows)).toMatchObject({ stored: 'x', beside: [Buffer.from('i'), null] })
    })

    it('are compared with what was sent, and undone where the database made something else of it', async () => {
      await put(1, 'v')
      await put(2, 'v')
      db.exec(`CREATE TRIGGER alters AFTER UPDATE ON usr WHEN NEW.id = 2
        BEGIN UPDATE usr SET secret = 'altered' WHERE id = NEW.id; END`)
      const rows = await rowsOf({ path: 'main.usr' })
      const error = await failureOf(rows.write((await all(rows)).map((row) => ({ row, value: 'w' }))))
      expect(error).toMatchObject({ code: 'VALUE_ALTERED', primaryKey: { id: '2' } })
      expect(String(error)).toContain('the trigger alters')
      expect(values(await all(rows))).toEqual(['v', 'v'])
    })

    it('are looked for by their own key', async () => {
      await put(1, 'a')
      await put(2, 'b')
      const rows = await rowsOf()
      const [one] = await all(rows)
      if (one) await rows.write([{ row: one, value: 'c' }])
      expect(values(await all(rows))).toEqual(['c', 'b'])
    })

    it('stay as they were where a value is tried out', async () => {
      await put(1, 'v')
      const rows = await rowsOf()
      await rows.tryOut({ row: await first(rows), value: 'w' })
      expect(values(await all(rows))).toEqual(['v'])
    })

    it('are told what the database has against a value', async () => {
      db.exec('DROP TABLE usr; CREATE TABLE usr (id INTEGER PRIMARY KEY, secret CHECK (length(secret) < 3))')
      db.exec("INSERT INTO usr VALUES (1, 'v')")
      const rows = await rowsOf()
      const row = await first(rows)
      const error = await failureOf(rows.tryOut({ row, value: 'too long' }))
      expect(db.dialect.failureOf(error)).toBe('constraint')
      expect(db.dialect.failureOf(await failureOf(rows.write([{ row, value: 'too long' }])))).toBe(
        'constraint',
      )
      expect(values(await all(rows))).toEqual(['v'])
    })

    it('are written inside of the transaction of somebody else', async () => {
      await put(1, 'v')
      const rows = await rowsOf()
      const row = await first(rows)
      db.exec('BEGIN')
      await rows.tryOut({ row, value: 'tried' })
      expect(values(await all(rows))).toEqual(['v'])
      await rows.write([{ row, value: 'w' }])
      expect(values(await all(rows))).toEqual(['w'])
      db.exec('ROLLBACK')
      expect(values(await all(rows))).toEqual(['v'])
    })
  })

  it('are read in no snapshot: the connection is that of the application', async () => {
    const rows = await rowsOf()
    expect(await rows.inSnapshot(() => Promise.resolve('done'))).toBe('done')
  })

  describe('whose rowids may change', () => {
    const layout = { keys: ['id'] }

    it.each([
      ['a key that is no rowid', 'id TEXT PRIMARY KEY', ['id'], true],
      ['a key of several columns', 'id INTEGER, part INTEGER, PRIMARY KEY (id, part)', ['id', 'part'], true],
      ['a key that is the rowid', 'id INTEGER PRIMARY KEY', ['id'], false],
      ['a key that is the rowid, in lower case', 'id integer primary key', ['id'], false],
    ])('were all met unless the structure changed: %s', async (_what, columns, names, isLost) => {
      db.exec(
        `DROP TABLE usr; CREATE TABLE usr (${columns}, secret)`.replace(
          /, PRIMARY KEY (.*), secret/,
          ', secret, PRIMARY KEY $1',
        ),
      )
      const rows = await rowsOf({ ...layout, keys: names })
      await expect(rows.checkOrder()).resolves.toBeUndefined()
      db.exec('CREATE TABLE another (id)')
      const error = await failureOf(rows.checkOrder())
      if (isLost) expect(error).toMatchObject({ code: 'ROWS_LEFT_OUT', entity: 'User', property: 'secret' })
      else expect(error).toBeUndefined()
    })

    it('cannot be lost where a table has none', async () => {
      db.exec('DROP TABLE usr; CREATE TABLE usr (id TEXT PRIMARY KEY, secret) WITHOUT ROWID')
      const rows = await rowsOf(layout)
      db.exec('CREATE TABLE another (id)')
      await expect(rows.checkOrder()).resolves.toBeUndefined()
    })
  })

  it('are refused in a database whose texts are not UTF-8', async () => {
    const other = await open()
    other.exec("PRAGMA encoding = 'UTF-16'; CREATE TABLE usr (id INTEGER PRIMARY KEY, secret)")
    const layout: RowsLayout = await layoutOf(other)
    const error = await failureOf(other.dialect.openRows(other.queryRunner, layout))
    expect(error).toMatchObject({ code: 'COLUMN_TYPE', entity: 'User', property: 'secret' })
    expect(String(error)).toContain('UTF-16')
  })
})

describe('sql.js', () => {
  it('stores the database after a write, unless a transaction is open that this would end', async () => {
    const db = await memories['sql.js']!()
    db.exec("CREATE TABLE usr (id INTEGER PRIMARY KEY, secret); INSERT INTO usr VALUES (1, 'v')")
    const rows = await db.dialect.openRows(db.queryRunner, await layoutOf(db))
    const read = (): Promise<ColumnRow[]> => rows.page({ after: undefined, limit: 1 })
    for (const row of await read()) await rows.write([{ row, value: 'w' }])
    expect(db.saved()).toBe(1)
    db.exec('BEGIN')
    for (const row of await read()) await rows.write([{ row, value: 'x' }])
    expect(db.saved()).toBe(1)
    db.exec('COMMIT')
    expect(await read()).toMatchObject([{ stored: 'x' }])
  })

  it('is refused where it would round keys', async () => {
    const db = await memories['sql.js']!()
    db.exec('CREATE TABLE usr (id INTEGER PRIMARY KEY, secret)')
    const layout = await layoutOf(db)
    const { databaseConnection } = db.driver as { databaseConnection: { prepare(sql: string): object } }
    const prepare = databaseConnection.prepare.bind(databaseConnection)
    databaseConnection.prepare = (sql) => {
      const statement = prepare(sql) as { getAsObject(parameters: null): object }
      const early = statement.getAsObject.bind(statement)
      return Object.assign(statement, { getAsObject: () => early(null) })
    }
    const rows = await db.dialect.openRows(db.queryRunner, layout)
    expect(await failureOf(rows.count())).toMatchObject({ code: 'UNSUPPORTED_DATABASE' })
  })
})
