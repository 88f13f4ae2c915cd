import { type RowsLayout } from '../../../../src/dialects/column-layout'
import { postgres } from '../../../../src/dialects/postgres'
import { type Change, type ColumnRow, type ColumnRows } from '../../../../src/dialects/rows/column-rows'
import { HiddenParameter } from '../../../../src/dialects/rows/hidden-parameter'
import { type KeyColumn } from '../../../../src/dialects/rows/key-order'
import { failureOf, layoutWith, type Sent, sessionWith } from '../support'

const key = (name: string, type: string): KeyColumn => ({
  property: name,
  sql: name,
  type,
  selected: `${name}::text`,
  text: `${name}::text`,
  value: (value, parameters) => `${parameters.add(value)}::text::${type}`,
})

type Raw = Record<string, unknown>

interface State {
  /** The rows as the driver gives them. */
  rows: Raw[]
  /** What becomes of the rows with an UPDATE, and what it returns. */
  updated?: Raw[]
  returned?: Raw[]
  /** Constraint triggers that wait. */
  deferrable?: string[]
  triggers?: string[]
  isTransactionActive?: boolean
  isRefused?: boolean
}

/** Rows of a column over a session that answers as it is told to. */
async function open(state: State, more: Partial<RowsLayout> = {}, keys = [key('id', 'integer')]) {
  const { rows, updated, returned = [], deferrable = [], triggers = [], isTransactionActive = false } = state
  let now = rows
  const { queryRunner, sent } = sessionWith(
    {
      tgdeferrable: deferrable.map((name) => ({ name })),
      pg_rewrite: triggers.map((name) => ({ name })),
      'UPDATE usr': () => {
        if (state.isRefused) return new Error('refused')
        now = updated ?? now
        // As TypeORM gives the rows that an UPDATE returns, with their number.
        return [returned, returned.length]
      },
      'FROM usr': () => now,
    },
    { isTransactionActive },
  )
  const opened: ColumnRows = await postgres.openRows(queryRunner, layoutWith(postgres, keys, more))
  sent.length = 0
  return { rows: opened, sent, read: () => opened.page({ after: undefined, limit: 10 }) }
}

const bytes = (text: string): Buffer => Buffer.from(text)
const raw = (id: number, value: string, more: object = {}): Raw => ({
  _k0: String(id),
  _v: bytes(value),
  _c: `(0,${id})`,
  _x: '700',
  ...more,
})
const plain = (parameters: readonly unknown[]): unknown[] =>
  parameters.map((each) => (each instanceof HiddenParameter ? each.toPostgres() : each))
const kinds = (sent: readonly Sent[]): string[] => sent.map(({ sql }) => sql.split(' ')[0] ?? '')
const changes = (read: readonly ColumnRow[], value = 'new', beside?: Change['beside']): Change[] =>
  read.map((row) => ({ row, value: bytes(value), ...(beside && { beside }) }))

describe('The rows of a column on PostgreSQL', () => {
  describe('as they are read', () => {
    it('have keys as text, bytes, and the version of the row', async () => {
      const { rows, sent, read } = await open({ rows: [raw(7, 'v')] })
      const [row] = await read()
      expect(row).toMatchObject({ key: ['7'], id: 'n7', stored: bytes('v'), version: ['(0,7)', '700'] })
      expect(row?.primaryKey()).toEqual({ id: '7' })
      expect(row).not.toHaveProperty('beside')
      expect(sent[0]?.sql).toContain(
        'SELECT id::text AS _k0, secret AS _v, ctid::text AS _c, xmin::text AS _x FROM usr',
      )
      await rows.page({ after: ['7'], limit: 5, shard: { index: 2, count: 3 } })
      expect(sent[1]?.sql).toMatch(/MD5\(CONCAT_WS\('\/', id::text\)\).*, 3\) = 1 /)
      expect(sent[1]?.sql).toContain('id > $1::text::integer ORDER BY id LIMIT 5')
      expect(sent[1]?.parameters).toEqual(['7'])
    })

    it('have texts as text', async () => {
      const { sent, read } = await open({ rows: [raw(7, '', { _v: 'ü' })] }, { kind: 'text' })
      expect(await read()).toMatchObject([{ stored: 'ü' }])
      expect(sent[0]?.sql).toContain('secret::text AS _v')
    })

    it('refuse what a driver made of bytes', async () => {
      const { read } = await open({ rows: [raw(7, '', { _v: '\\xc101' })] })
      expect(await failureOf(read())).toMatchObject({ code: 'DRIVER_VALUE', entity: 'User' })
    })

    it.each([{ _k0: 7 }, { _c: 7 }, { _x: 7n }])('refuse what a driver made of texts: %p', async (more) => {
      const { read } = await open({ rows: [raw(7, 'v', more)] })
      expect(await failureOf(read())).toMatchObject({ code: 'DRIVER_VALUE', property: 'secret' })
    })

    it('have no value where only keys are asked for', async () => {
      const { rows, sent } = await open({ rows: [{ _k0: '7' }] }, { bound: [{ name: 'a', sql: 'a' }] })
      const [row] = await rows.page({ after: undefined, limit: 10, keysOnly: true })
      expect(row).toMatchObject({ stored: '', id: 'n7' })
      expect(Object.keys(row ?? {})).not.toContain('valueOf')
      expect(sent[0]?.sql).toContain('SELECT id::text AS _k0 FROM usr')
    })

    it('have what they are bound to, and their indexes', async () => {
      const { read } = await open(
        { rows: [raw(1, 'v', { _b0: 't', _i0: bytes('i'), _i1: null })] },
        { bound: [{ name: 'tenant', sql: 'tenant' }], beside: ['a', 'b'] },
      )
      const [row] = await read()
      expect(row?.valueOf('tenant')).toBe('t')
      expect(row?.beside).toEqual([bytes('i'), null])
    })

    it.each([
      [false, ['START', 'SELECT', 'ROLLBACK']],
      [true, ['SELECT']],
    ])('are read in one snapshot (in a transaction: %s)', async (isTransactionActive, statements) => {
      const { rows, sent } = await open({ rows: [{ n: '3' }], isTransactionActive })
      expect(await rows.inSnapshot(() => rows.count())).toBe(3)
      expect(kinds(sent)).toEqual(statements)
      expect(sent[0]?.parameters).toEqual([])
    })
  })

  describe('as they are written', () => {
    it('are one UPDATE of the versions that were read, and are compared', async () => {
      const { rows, read, sent } = await open({
        rows: [raw(1, 'a'), raw(2, 'b')],
        updated: [raw(1, 'new')],
        returned: [{ _k0: '1' }],
      })
      const page = await read()
      sent.length = 0
      expect([...(await rows.write(changes(page)))]).toEqual(['n1'])
      expect(kinds(sent)).toEqual(['START', 'UPDATE', 'SELECT', 'COMMIT'])
      expect(sent[1]?.sql).toBe(
        'UPDATE usr AS _t SET secret = _b.v FROM unnest($1::text[], $2::tid[], $3::text[], $4::bytea[]) AS _b(k0, c, x, v) ' +
          'WHERE _t.id = _b.k0::integer AND _t.ctid = _b.c AND _t.xmin::text = _b.x RETURNING _t.id::text AS _k0',
      )
      expect(plain(sent[1]?.parameters ?? [])).toEqual([
        ['1', '2'],
        ['(0,1)', '(0,2)'],
        ['700', '700'],
        [bytes('new'), bytes('new')],
      ])
      // The row that somebody else has changed is not asked for.
      expect(sent[2]?.parameters).toEqual(['1'])
    })

    it('are written where another has rows of the same key in a table that inherits', async () => {
      const keys = [key('id', 'integer'), key('tableoid', 'oid')]
      const row = raw(1, 'a', { _k1: '9' })
      const { rows, read, sent } = await open(
        { rows: [row], updated: [raw(1, 'new', { _k1: '9' })], returned: [{ _k0: '1', _k1: '9' }] },
        {},
        keys,
      )
      const page = await read()
      sent.length = 0
      expect((await rows.write(changes(page))).size).toBe(1)
      expect(sent[1]?.sql).toContain('WHERE _t.id = _b.k0::integer AND _t.tableoid = _b.k1::oid AND')
      expect(sent[1]?.sql).toContain('RETURNING _t.id::text AS _k0, _t.tableoid::text AS _k1')
    })

    it.each([
      [[], false],
      [['app.later', 'app.latest'], true],
    ])('have the triggers fire that would wait: %j', async (deferrable, waits) => {
      const state = { rows: [raw(1, 'a')], updated: [raw(1, 'new')], returned: [{ _k0: '1' }], deferrable }
      const { rows, read, sent } = await open(state)
      const [row] = await read()
      sent.length = 0
      if (row) await rows.write(changes([row]))
      const fire = 'SET CONSTRAINTS app.later, app.latest IMMEDIATE'
      expect(sent.map(({ sql }) => sql).filter((sql) => sql.startsWith('SET'))).toEqual(waits ? [fire] : [])
      if (waits) expect(sent[2]?.sql).toBe(fire)
      sent.length = 0
      if (row) await rows.tryOut({ row, value: bytes('new') })
      expect(kinds(sent)).toEqual(['START', 'UPDATE', ...(waits ? ['SET'] : []), 'ROLLBACK'])
    })

    it('are undone where the database stored something else, and the trigger is named', async () => {
      const { rows, read, sent } = await open({
        rows: [raw(1, 'a')],
        updated: [raw(1, 'NEW')],
        returned: [{ _k0: '1' }],
        triggers: ['touch'],
      })
      const page = await read()
      sent.length = 0
      const error = await failureOf(rows.write(changes(page)))
      expect(error).toMatchObject({ code: 'VALUE_ALTERED', primaryKey: { id: '1' } })
      expect(String(error)).toContain('the trigger touch')
      expect(kinds(sent).at(-1)).toBe('ROLLBACK')
    })

    it('send the bytes of a text to a binary column, and texts to others', async () => {
      const state = { rows: [raw(1, 'a')], updated: [raw(1, '\\x')], returned: [{ _k0: '1' }] }
      const binary = await open(state)
      await binary.rows.write((await binary.read()).map((row) => ({ row, value: '\\x' })))
      const text = await open(
        { ...state, rows: [raw(1, '', { _v: 'a' })], updated: [raw(1, '', { _v: '\\x' })] },
        { kind: 'text', storage: 'text' },
      )
      await text.rows.write((await text.read()).map((row) => ({ row, value: '\\x' })))
      const updates = [binary, text].map(({ sent }) => sent.find(({ sql }) => sql.startsWith('UPDATE')))
      expect(plain(updates[0]?.parameters ?? [])[3]).toEqual([bytes('\\x')])
      expect(plain(updates[1]?.parameters ?? [])[3]).toEqual(['\\x'])
      expect(updates[1]?.sql).toContain('$4::text[]')
    })

    it.each(['binary', 'text'] as const)('get their indexes with the value (%s)', async (storage) => {
      const index = storage === 'binary' ? bytes('j') : 'j'
      const { rows, read, sent } = await open(
        {
          rows: [raw(1, 'a', { _i0: bytes('i'), _i1: null })],
          updated: [raw(1, 'new', { _i0: index, _i1: null })],
          returned: [{ _k0: '1' }],
        },
        { beside: ['a', 'b'], storage },
      )
      const page = await read()
      sent.length = 0
      expect((await rows.write(changes(page, 'new', [index, null]))).size).toBe(1)
      const type = storage === 'binary' ? 'bytea' : 'text'
      expect(sent[1]?.sql).toContain(
        `SET secret = _b.v, a = _b.i0, b = _b.i1 FROM unnest($1::text[], $2::tid[], $3::text[], $4::bytea[], $5::${type}[], $6::${type}[]) AS _b(k0, c, x, v, i0, i1)`,
      )
      expect(plain(sent[1]?.parameters ?? []).slice(4)).toEqual([[index], [null]])
    })

    it('keep their indexes where none are given', async () => {
      const { rows, read, sent } = await open(
        {
          rows: [raw(1, 'a', { _i0: bytes('i') })],
          updated: [raw(1, 'new', { _i0: bytes('i') })],
          returned: [{ _k0: '1' }],
        },
        { beside: ['a'] },
      )
      await rows.write(changes(await read()))
      expect(sent.find(({ sql }) => sql.startsWith('UPDATE'))?.sql).not.toContain('_b.i0')
    })

    it('are a savepoint in the transaction of a migration', async () => {
      const { rows, read, sent } = await open({ rows: [raw(1, 'a')], isTransactionActive: true })
      const page = await read()
      sent.length = 0
      await rows.write(changes(page))
      expect(kinds(sent)).toEqual(['SAVEPOINT', 'UPDATE', 'RELEASE'])
    })

    it('are told what the database has against a value', async () => {
      const { rows, read } = await open({ rows: [raw(1, 'a')], isRefused: true })
      const [change] = changes(await read())
      if (!change) throw new Error('no row')
      expect(await failureOf(rows.tryOut(change))).toMatchObject({ message: 'refused' })
      expect(await failureOf(rows.write([change]))).toMatchObject({ message: 'refused' })
    })
  })
})
