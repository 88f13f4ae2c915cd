import { dialectOf } from '../../../../src/dialects'
import { postgres } from '../../../../src/dialects/postgres'
import { pglite } from '../../../../src/dialects/postgres/pglite'
import { HiddenParameter } from '../../../../src/dialects/rows/hidden-parameter'
import { type KeyColumn } from '../../../../src/dialects/rows/key-order'
import { failureOf, layoutWith, sessionWith } from '../support'

const connection = pglite.onlyConnection!

/** The one session of PGlite, as TypeORM's driver has it. */
function driverWith(
  answer: (sql: string) => object[] | Error | Promise<object[]> = () => [],
  isActive = false,
) {
  const sent: [sql: string, parameters: unknown[]][] = []
  const master = {
    query: async (sql: string, parameters: unknown[]) => {
      sent.push([sql, parameters])
      const rows = await answer(sql)
      if (rows instanceof Error) throw rows
      return { rows }
    },
  }
  const connectedQueryRunners = [{ isTransactionActive: false }, { isTransactionActive: isActive }]
  return { sent, driver: { master, connectedQueryRunners }, statements: () => sent.map(([sql]) => sql) }
}

describe('PGlite', () => {
  class Counting {
    get totalCount(): number {
      return 0
    }
  }
  class Single {}

  it.each<[string, unknown, typeof postgres]>([
    ['no driver of its own', undefined, postgres],
    ['null', null, postgres],
    ['a driver without a pool', {}, postgres],
    ['the pool of pg', { Pool: Counting }, postgres],
    ['another pool', { Pool: Single }, pglite],
  ])('is known by the pool of the driver: %s', (_, driver, dialect) => {
    expect(dialectOf({ type: 'postgres', driver } as { type: 'postgres' })).toBe(dialect)
  })

  it('is asked for only of PostgreSQL', () => {
    expect(dialectOf({ type: 'mysql', driver: { Pool: Single } } as { type: 'mysql' }).name).toBe('mysql')
  })

  it('has a transaction where any query runner has one', () => {
    expect(connection.hasOpenTransaction(driverWith().driver)).toBe(false)
    expect(connection.hasOpenTransaction(driverWith(undefined, true).driver)).toBe(true)
  })

  it.each([
    [[], ['select', 'insert']],
    [[{ found: 1 }], ['select']],
  ])('has a row inserted unless it is there: %j', async (rows, statements) => {
    const { driver, sent } = driverWith((sql) => (sql === 'select' ? rows : []))
    await connection.insertUnlessThere(driver, ['select', [1]], ['insert', [2]])
    expect(sent.map(([sql]) => sql)).toEqual(statements)
    expect(sent[0]?.[1]).toEqual([1])
  })

  it('takes those who ask one by one, also after one that failed', async () => {
    let rows: object[] = []
    const { driver, statements } = driverWith(async (sql) => {
      await Promise.resolve()
      if (sql === 'insert') rows = [{}]
      if (sql === 'fails') return Promise.reject(new Error('refused'))
      return rows
    })
    const ask = (insert: string): Promise<unknown> =>
      failureOf(connection.insertUnlessThere(driver, ['select', []], [insert, []]))
    const failed = await Promise.all([ask('fails'), ask('insert'), ask('insert')])
    expect(failed).toEqual([expect.objectContaining({ message: 'refused' }), undefined, undefined])
    expect(statements()).toEqual(['select', 'fails', 'select', 'insert', 'select'])
  })

  it.each([
    ['an open one', [{ open: true }], false, true],
    ['one of TypeORM', [{ open: true }], true, false],
    ['none', [{ open: false }], false, false],
    ['no answer', [], false, false],
  ])('refuses a transaction that nobody told TypeORM of: %s', async (_, rows, isActive, isRefused) => {
    const { driver, sent } = driverWith(() => rows, isActive)
    const error = await failureOf(Promise.resolve(connection.refuseUnknownTransaction?.(driver)))
    expect(sent.map(([, parameters]) => parameters)).toEqual([[]])
    if (isRefused) {
      expect(error).toMatchObject({ code: 'INVALID_OPTION' })
      expect(String(error)).toContain('startTransaction')
    } else expect(error).toBeUndefined()
  })

  it('gives back a query runner that was made for a statement', async () => {
    let released = 0
    const release = (): Promise<void> => {
      released++
      return Promise.resolve()
    }
    await connection.release({ release } as never)
    expect(released).toBe(1)
  })

  describe('goes through rows past the logger of TypeORM', () => {
    const id: KeyColumn = {
      property: 'id',
      sql: 'id',
      type: 'integer',
      selected: 'id::text',
      text: 'id::text',
      value: (value, parameters) => parameters.add(value),
    }
    const row = { _k0: '1', _v: Buffer.from('a'), _c: '(0,1)', _x: '7' }

    it('and gives the values themselves, which are hidden elsewhere', async () => {
      const { driver, sent } = driverWith((sql) => (sql.startsWith('SELECT') ? [row] : []))
      const { queryRunner } = sessionWith({}, { connect: () => Promise.resolve(driver.master) })
      const rows = await pglite.openRows(queryRunner, layoutWith(pglite, [id]))
      const [read] = await rows.page({ after: undefined, limit: 1 })
      if (read) await rows.tryOut({ row: read, value: Buffer.from('new') })
      const [, parameters] = sent.find(([sql]) => sql.startsWith('UPDATE')) ?? []
      expect(parameters).toContainEqual([Buffer.from('new')])
      expect(parameters?.some((each) => each instanceof HiddenParameter)).toBe(false)
      expect(pglite.hidesParameters).toBe(false)
    })

    it.each([
      ['an error', Object.assign(new Error('refused'), { query: 'UPDATE', params: ['a'], queryOptions: {} })],
      ['an error without them', new Error('refused')],
    ])('and throws %s without parameters', async (_, refused) => {
      const { driver } = driverWith(() => refused)
      const { queryRunner } = sessionWith({}, { connect: () => Promise.resolve(driver.master) })
      const rows = await pglite.openRows(queryRunner, layoutWith(pglite, [id]))
      const error = await failureOf(rows.count())
      expect(error).toBe(refused)
      expect(Object.keys(refused)).toEqual([])
    })

    it('and throws what is no object as it is', async () => {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what is tried here
      const { driver } = driverWith(() => Promise.reject('refused'))
      const { queryRunner } = sessionWith({}, { connect: () => Promise.resolve(driver.master) })
      const rows = await pglite.openRows(queryRunner, layoutWith(pglite, [id]))
      expect(await failureOf(rows.count())).toBe('refused')
    })
  })
})
