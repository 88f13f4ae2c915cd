import { mysql } from '../../../../src/dialects/mysql'
import {
  cutsOffValues,
  fixFormats,
  isInTransaction,
  limitLockWait,
} from '../../../../src/dialects/mysql/session'
import { MysqlTransaction } from '../../../../src/dialects/mysql/transaction'
import { type KeyColumn } from '../../../../src/dialects/rows/key-order'
import { sessionWith } from '../support'

const key = (type: string): KeyColumn => ({ type }) as KeyColumn

describe('A session of MySQL', () => {
  it.each([
    [1, '1'],
    [1_000, '1'],
    [1_001, '2'],
    [0, '1'],
    [30_000, '30'],
  ])('waits for a lock: %d ms in seconds', async (timeout, seconds) => {
    const before = { innodb_lock_wait_timeout: '50', lock_wait_timeout: '86400' }
    const { queryRunner, statements } = sessionWith({ 'SELECT @@': [before] })
    const restore = await limitLockWait(queryRunner, timeout)
    await restore()
    expect(statements()).toEqual([
      'SELECT @@SESSION.innodb_lock_wait_timeout AS innodb_lock_wait_timeout, @@SESSION.lock_wait_timeout AS lock_wait_timeout',
      `SET SESSION innodb_lock_wait_timeout = ${seconds}`,
      `SET SESSION lock_wait_timeout = ${seconds}`,
      'SET SESSION innodb_lock_wait_timeout = 50',
      'SET SESSION lock_wait_timeout = 86400',
    ])
  })

  it.each<[string[], string[]]>([
    [['int'], []],
    [['timestamp'], ["SET SESSION time_zone = '+00:00'"]],
    [['timestamps', 'a timestamp'], []],
    [['varchar'], ['SET SESSION max_sort_length = 16384']],
    [['int', 'text'], ['SET SESSION max_sort_length = 16384']],
    [['varbinary'], ['SET SESSION max_sort_length = 16384']],
    [['blob'], ['SET SESSION max_sort_length = 16384']],
    [
      ['timestamp', 'char'],
      ["SET SESSION time_zone = '+00:00'", 'SET SESSION max_sort_length = 16384'],
    ],
  ])('has the settings that keys of these types need: %j', async (types, settings) => {
    const { queryRunner, statements } = sessionWith({ 'SELECT @@': [{}] })
    const restore = await fixFormats(queryRunner, types.map(key))
    expect(statements().slice(settings.length > 0 ? 1 : 0)).toEqual(settings)
    await expect(restore()).resolves.toBeUndefined()
  })

  it.each([
    [0, false],
    [1, true],
    [2, false],
    [3, true],
    [undefined, undefined],
  ])('says with status %p whether it is in a transaction: %p', async (serverStatus, isOpen) => {
    const { queryRunner } = sessionWith({ 'DO 0': { serverStatus } })
    expect(await isInTransaction(queryRunner)).toBe(isOpen)
  })

  it.each([
    ['STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION', false],
    ['ANSI,STRICT_ALL_TABLES', false],
    ['ANSI', true],
    ['', true],
  ])('in mode %j cuts off values: %s', async (mode, cutsOff) => {
    expect(await cutsOffValues(sessionWith({ sql_mode: [{ mode }] }).queryRunner)).toBe(cutsOff)
  })

  it('cuts off values if it does not tell', async () => {
    expect(await cutsOffValues(sessionWith().queryRunner)).toBe(true)
  })

  it('has one statement around reads', () => {
    expect(mysql.readOnly).toEqual({ begin: 'START TRANSACTION READ ONLY', end: 'ROLLBACK' })
  })
})

describe('The transaction of a session of MySQL', () => {
  it.each([
    [false, 1, false, 0],
    [true, 1, true, 1],
    // A change of structure ended it, and TypeORM does not know.
    [true, 0, false, 1],
    [true, undefined, true, 1],
  ])(
    'for TypeORM %s, with status %p, is open: %s',
    async (isTransactionActive, serverStatus, isOpen, asked) => {
      const { queryRunner, sent } = sessionWith({ 'DO 0': { serverStatus } }, { isTransactionActive })
      const transaction = new MysqlTransaction(queryRunner)
      expect(await transaction.isOpen()).toBe(isOpen)
      expect(await transaction.isOpen()).toBe(isOpen)
      expect(sent).toHaveLength(asked)
    },
  )

  it('is one of its own for a snapshot, and ends with it', async () => {
    const { queryRunner, statements } = sessionWith()
    const transaction = new MysqlTransaction(queryRunner)
    expect(await transaction.inSnapshot(() => queryRunner.query('work').then(() => 'done'))).toBe('done')
    expect(statements()).toEqual([
      'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ',
      'START TRANSACTION WITH CONSISTENT SNAPSHOT',
      'work',
      'ROLLBACK',
    ])
  })

  it('is that of somebody else where one is open', async () => {
    const { queryRunner, statements } = sessionWith(
      { 'DO 0': { serverStatus: 1 } },
      { isTransactionActive: true },
    )
    await new MysqlTransaction(queryRunner).inSnapshot(() => queryRunner.query('work') as Promise<unknown>)
    expect(statements()).toEqual(['DO 0', 'work'])
  })
})
