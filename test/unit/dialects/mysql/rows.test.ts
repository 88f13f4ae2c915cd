import { type RowsLayout } from '../../../../src/dialects/column-layout'
import { mysql } from '../../../../src/dialects/mysql'
import { keyForm } from '../../../../src/dialects/mysql/key-types'
import { type ColumnRow, type ColumnRows } from '../../../../src/dialects/rows/column-rows'
import { type KeyColumn } from '../../../../src/dialects/rows/key-order'
import { failureOf, layoutWith, type Sent, sessionWith } from '../support'

function key(name: string, type: string): KeyColumn {
  const form = keyForm(name, { type, charset: 'utf8mb4', collation: 'utf8mb4_bin' })
  if (!form) throw new Error('no form')
  return { property: name, sql: name, type, text: `CAST(${name} AS BINARY)`, ...form }
}

interface State {
  /** The rows as the driver gives them. */
  rows: Record<string, unknown>[]
  /** What becomes of the rows with an UPDATE. */
  updated?: readonly Record<string, unknown>[]
  engine?: 'YES' | 'NO'
  triggers?: string[]
  onUpdate?: string[]
  isTransactionActive?: boolean
  isRefused?: boolean
}

/** Rows of a column over a session that answers as it is told to. */
async function open(state: State, more: Partial<RowsLayout> = {}, keys = [key('id', 'int')]) {
  const { rows, updated, engine = 'YES', triggers = [], onUpdate = [], isTransactionActive = false } = state
  let now: State['updated'] = rows
  const { queryRunner, sent } = sessionWith(
    {
      'information_schema.engines': [{ answer: engine }],
      'information_schema.triggers': triggers.map((name) => ({ name })),
      'on update': onUpdate.map((name) => ({ name })),
      'DO 0': { serverStatus: 1 },
      'UPDATE usr': () => {
        if (state.isRefused) return new Error('refused')
        now = updated ?? now
        return []
      },
      FROM: () => now,
    },
    { isTransactionActive },
  )
  const opened: ColumnRows = await mysql.openRows(queryRunner, layoutWith(mysql, keys, more))
  sent.length = 0
  return { rows: opened, sent, read: () => opened.page({ after: undefined, limit: 10 }) }
}

const bytes = (text: string): Buffer => Buffer.from(text)
const raw = (id: number, value: string, more: object = {}) => ({
  _k0: bytes(String(id)),
  _v: bytes(value),
  ...more,
})
const sql = (parameters: unknown[]): unknown[] =>
  parameters.map((each) =>
    typeof each === 'object' && each !== null && 'toSqlString' in each
      ? (each as { toSqlString(): string }).toSqlString()
      : each,
  )
/** The beginning of each statement. */
const kinds = (sent: readonly Sent[]): string[] =>
  sent.map(({ sql: each }) => {
    if (each.startsWith('SELECT')) return each.includes('FOR UPDATE') ? 'SELECT FOR UPDATE' : 'SELECT'
    return each
      .split(' ')
      .slice(0, each.startsWith('UPDATE') ? 1 : 2)
      .join(' ')
  })
const write = async (
  rows: ColumnRows,
  read: readonly ColumnRow[],
  value = 'new',
  beside?: (Buffer | null)[],
) => [...(await rows.write(read.map((row) => ({ row, value: bytes(value), ...(beside && { beside }) }))))]

describe('The rows of a column on MySQL', () => {
  describe('as they are read', () => {
    it('have their keys and bytes', async () => {
      const { rows, sent, read } = await open({ rows: [raw(7, 'v')] })
      const [row] = await read()
      expect(row).toMatchObject({ key: [bytes('7')], id: 'x7', stored: bytes('v') })
      expect(Object.keys(row ?? {})).toEqual(['key', 'id', 'stored', 'primaryKey'])
      expect(row?.primaryKey()).toEqual({ id: '7' })
      expect(sent[0]?.sql).toContain('SELECT CAST(id AS BINARY) AS _k0, secret AS _v FROM usr')
      await rows.page({ after: [bytes('7')], limit: 5, shard: { index: 2, count: 3 } })
      expect(sent[1]?.sql).toContain('MOD(CRC32(CONCAT_WS(0x00, CAST(id AS BINARY))), 3) = 1')
      expect(sent[1]?.sql).toMatch(/id > \?.*ORDER BY id LIMIT 5$/)
      expect(sql(sent[1]?.parameters ?? [])).toEqual(['7'])
    })

    it('have no value where only keys are asked for', async () => {
      const { rows, sent } = await open({ rows: [{ _k0: bytes('7') }] }, { kind: 'text' })
      const [row] = await rows.page({ after: undefined, limit: 10, keysOnly: true })
      expect(row?.stored).toHaveLength(0)
      expect(row).not.toHaveProperty('isWhole')
      expect(sent[0]?.sql).toContain('SELECT CAST(id AS BINARY) AS _k0 FROM usr')
    })

    it.each([
      ['1', 'v', true],
      [1, 'v', true],
      [1n, 'v', true],
      ['0', 'v', false],
      [undefined, 'v', false],
    ])('are whole texts where the database says so: %p', async (_w, value, isWhole) => {
      const { read, sent } = await open({ rows: [raw(1, value, { _w })] }, { kind: 'text', storage: 'text' })
      expect(await read()).toMatchObject([{ stored: value, isWhole }])
      expect(sent[0]?.sql).toMatch(/LOCATE\(X'3F', .* AS _w FROM/)
    })

    it('are no whole texts where they are no UTF-8', async () => {
      const half = { _k0: bytes('1'), _v: Buffer.from('eda080', 'hex'), _w: 1 }
      const { read } = await open({ rows: [half] }, { kind: 'text', storage: 'text' })
      expect(await read()).toMatchObject([{ isWhole: false }])
    })

    it('have what they are bound to, and their indexes', async () => {
      const { read } = await open(
        { rows: [raw(1, 'v', { _b0: 5, _i0: bytes('i'), _i1: null })] },
        { bound: [{ name: 'tenant', sql: 'tenant' }], beside: ['a', 'b'] },
      )
      const [row] = await read()
      expect(row?.valueOf('tenant')).toBe(5)
      expect(row?.beside).toEqual([bytes('i'), null])
    })

    it('show their keys to people as these would read them', async () => {
      const keys = [key('a', 'varchar'), key('b', 'varbinary'), key('c', 'date'), key('d', 'blob')]
      const { read, sent } = await open(
        {
          rows: [
            {
              _k0: Buffer.from([0xfc]),
              _s0: bytes('ü'),
              _k1: Buffer.from([1, 2]),
              _k2: bytes('2024-02-29'),
              _k3: Buffer.from([3]),
              _v: bytes('v'),
            },
          ],
        },
        {},
        keys,
      )
      const [row] = await read()
      expect(row?.primaryKey()).toEqual({ a: 'ü', b: '0102', c: '2024-02-29', d: '03' })
      expect(sent[0]?.sql).toContain('CAST(CONVERT(a USING utf8mb4) AS BINARY) AS _s0')
      expect(sent[0]?.sql).not.toContain('_s1')
      expect(sent[0]?.sql).not.toContain('_s2')
    })

    it.each([
      [false, 'SELECT'],
      [true, 'SELECT FOR UPDATE'],
    ])('are read again, and locked in a transaction: %s', async (isTransactionActive, kind) => {
      const { rows, read, sent } = await open({ rows: [raw(1, 'v')], isTransactionActive })
      const page = await read()
      sent.length = 0
      expect(await rows.again(page)).toHaveLength(1)
      expect(kinds(sent).at(-1)).toBe(kind)
      sent.length = 0
      expect(await rows.again([])).toEqual([])
      expect(sent).toEqual([])
    })

    it('keep their order, whatever happens to the table', async () => {
      const { rows, sent } = await open({ rows: [] })
      await expect(rows.checkOrder()).resolves.toBeUndefined()
      expect(sent).toEqual([])
    })

    it('are read in one snapshot', async () => {
      const { rows, sent } = await open({ rows: [] })
      expect(await rows.inSnapshot(() => rows.count())).toBeNaN()
      expect(sent[2]?.parameters).toEqual([])
      expect(kinds(sent)).toEqual(['SET TRANSACTION', 'START TRANSACTION', 'SELECT', 'ROLLBACK'])
    })
  })

  describe('as they are written', () => {
    it('are locked, compared, written and compared again', async () => {
      const { rows, read, sent } = await open({
        rows: [raw(1, 'a'), raw(2, 'b')],
        updated: [raw(1, 'new'), raw(2, 'new')],
        onUpdate: ['changed'],
      })
      const page = await read()
      sent.length = 0
      expect(await write(rows, page)).toEqual(['x1', 'x2'])
      expect(kinds(sent)).toEqual(['START TRANSACTION', 'SELECT FOR UPDATE', 'UPDATE', 'SELECT', 'COMMIT'])
      expect(sent[2]?.sql).toBe(
        'UPDATE usr SET secret = CASE WHEN id = ? THEN ? WHEN id = ? THEN ? ELSE secret END, `changed` = `changed` WHERE id IN (?, ?)',
      )
      expect(sql(sent[2]?.parameters ?? [])).toEqual(['1', "X'6e6577'", '2', "X'6e6577'", '1', '2'])
    })

    it('are left alone where somebody else has changed them', async () => {
      const state: State = { rows: [raw(1, 'a'), raw(2, 'b')] }
      const { rows, read, sent } = await open(state, { bound: [{ name: 'tenant', sql: 'tenant' }] })
      const page = await read()
      state.rows.splice(0, 2, raw(1, 'other'))
      sent.length = 0
      expect(await write(rows, page)).toEqual([])
      expect(kinds(sent)).toEqual(['START TRANSACTION', 'SELECT FOR UPDATE', 'COMMIT'])
    })

    it('are left alone where what they are bound to has changed', async () => {
      const state: State = {
        rows: [raw(1, 'a', { _b0: 1, _b1: 1 }), raw(2, 'a', { _b0: 1, _b1: 1 })],
      }
      const { rows, read, sent } = await open(state, {
        bound: [
          { name: 'a', sql: 'a' },
          { name: 'b', sql: 'b' },
        ],
      })
      const page = await read()
      state.rows.splice(1, 1, raw(2, 'a', { _b0: 1, _b1: 2 }))
      sent.length = 0
      await failureOf(write(rows, page))
      expect(sql(sent[2]?.parameters ?? [])).toEqual(['1', "X'6e6577'", '1'])
    })

    it('are undone where the database stored something else, and the trigger is named', async () => {
      const { rows, read, sent } = await open({
        rows: [raw(1, 'a')],
        updated: [raw(1, 'NEW')],
        triggers: ['touch'],
      })
      const page = await read()
      sent.length = 0
      const error = await failureOf(write(rows, page))
      expect(error).toMatchObject({ code: 'VALUE_ALTERED', primaryKey: { id: '1' } })
      expect(String(error)).toContain('the trigger touch')
      expect(kinds(sent).at(-1)).toBe('ROLLBACK')
    })

    it('are one UPDATE for each part of a batch', async () => {
      const { rows, read, sent } = await open({ rows: [raw(1, 'a'), raw(2, 'a')] })
      const page = await read()
      sent.length = 0
      await failureOf(rows.write(page.map((row) => ({ row, value: Buffer.alloc(2 ** 20) }))))
      expect(kinds(sent)).toEqual([
        'START TRANSACTION',
        'SELECT FOR UPDATE',
        'UPDATE',
        'SELECT',
        'SELECT',
        'ROLLBACK',
      ])
    })

    it('report those of all parts', async () => {
      const { rows, read } = await open({ rows: [raw(1, 'a'), raw(2, 'a')] })
      const same = Buffer.concat([bytes('a'), Buffer.alloc(0)])
      expect([...(await rows.write((await read()).map((row) => ({ row, value: same }))))]).toEqual([
        'x1',
        'x2',
      ])
    })

    it('keep a text in the character set of the values that are sent', async () => {
      const text = { rows: [raw(1, 'a', { _w: 1 })], updated: [raw(1, 'new', { _w: 1 })] }
      const { rows, read, sent } = await open(text, { kind: 'text', storage: 'text' })
      await write(rows, await read())
      expect(sent.find(({ sql: each }) => each.startsWith('UPDATE'))?.sql).toContain(
        'ELSE CONVERT(secret USING utf8mb4) END',
      )
    })

    it('get their indexes with the value', async () => {
      const row = raw(1, 'a', { _i0: bytes('i'), _i1: null })
      for (const storage of ['binary', 'text'] as const) {
        const updated = [raw(1, 'new', { _i0: bytes('j'), _i1: null })]
        const { rows, read, sent } = await open({ rows: [row], updated }, { beside: ['a', 'b'], storage })
        const page = await read()
        sent.length = 0
        expect(await write(rows, page, 'new', [bytes('j'), null])).toEqual(['x1'])
        const other = (name: string): string => (storage === 'text' ? `CONVERT(${name} USING utf8mb4)` : name)
        expect(sent[2]?.sql).toBe(
          `UPDATE usr SET secret = CASE WHEN id = ? THEN ? ELSE secret END, a = CASE WHEN id = ? THEN ? ELSE ${other('a')} END, b = CASE WHEN id = ? THEN ? ELSE ${other('b')} END WHERE id IN (?)`,
        )
        expect(sql(sent[2]?.parameters ?? [])).toEqual(['1', "X'6e6577'", '1', "X'6a'", '1', 'NULL', '1'])
      }
    })

    it('keep their indexes where none are given', async () => {
      const { rows, read, sent } = await open(
        { rows: [raw(1, 'a', { _i0: bytes('i') })], updated: [raw(1, 'new', { _i0: bytes('i') })] },
        { beside: ['a'] },
      )
      await write(rows, await read())
      expect(sent.find(({ sql: each }) => each.startsWith('UPDATE'))?.sql).not.toContain(', a =')
    })

    it('are tried out and taken back', async () => {
      const { rows, read, sent } = await open({ rows: [raw(1, 'a')] })
      const [row] = await read()
      sent.length = 0
      if (row) await rows.tryOut({ row, value: bytes('new') })
      expect(kinds(sent)).toEqual(['START TRANSACTION', 'UPDATE', 'ROLLBACK'])
      expect(sql(sent[1]?.parameters ?? [])).toEqual(['1', "X'6e6577'", '1'])
    })

    it('are told what the database has against a value', async () => {
      const { rows, read } = await open({ rows: [raw(1, 'a')], isRefused: true })
      const [row] = await read()
      expect(row && (await failureOf(rows.tryOut({ row, value: bytes('new') })))).toMatchObject({
        message: 'refused',
      })
    })
  })

  describe('of an engine without transactions', () => {
    const state = { rows: [raw(1, 'a')], updated: [raw(1, 'new')], engine: 'NO' } as const

    it('are written while the table is locked', async () => {
      const { rows, read, sent } = await open({ ...state, rows: [...state.rows] })
      const page = await read()
      sent.length = 0
      expect(await write(rows, page)).toEqual(['x1'])
      expect(kinds(sent)).toEqual(['LOCK TABLES', 'SELECT FOR UPDATE', 'UPDATE', 'SELECT', 'UNLOCK TABLES'])
    })

    it('are not locked in the transaction of a migration, which that would end', async () => {
      const { rows, read, sent } = await open({ ...state, rows: [...state.rows], isTransactionActive: true })
      await write(rows, await read())
      expect(kinds(sent)).not.toContain('LOCK TABLES')
      expect(kinds(sent)).not.toContain('SAVEPOINT kms_rows')
      expect(kinds(sent)).toContain('UPDATE')
    })

    it('are unlocked where the write fails', async () => {
      const { rows, read, sent } = await open({ ...state, rows: [...state.rows], isRefused: true })
      expect(await failureOf(write(rows, await read()))).toMatchObject({ message: 'refused' })
      expect(kinds(sent).at(-1)).toBe('UNLOCK TABLES')
    })

    it('are not tried out: nothing could take that back', async () => {
      const { rows, read, sent } = await open({ ...state, rows: [...state.rows] })
      const [row] = await read()
      sent.length = 0
      if (row) await rows.tryOut({ row, value: bytes('new') })
      expect(sent).toEqual([])
    })

    it('are refused where triggers would change what nobody takes back', async () => {
      const error = await failureOf(open({ ...state, rows: [...state.rows], triggers: ['touch', 'log'] }))
      expect(error).toMatchObject({ code: 'COLUMN_TYPE', entity: 'User', property: 'secret' })
      expect(String(error)).toContain('touch, log')
    })
  })
})
