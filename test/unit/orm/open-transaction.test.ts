import { OpenTransaction } from '../../../src/orm/query/open-transaction'

describe('The place of a statement in a transaction', () => {
  let isOpen: boolean
  let asked: number
  let transaction: OpenTransaction

  beforeEach(() => {
    isOpen = true
    asked = 0
    transaction = new OpenTransaction(() => {
      asked++
      return Promise.resolve(isOpen)
    })
  })

  /** Sends a statement that is answered when the test says so. */
  function send(sql = 'UPDATE'): { answer: () => Promise<unknown>; fail: () => Promise<unknown> } {
    const { end } = transaction.enter(sql)
    let [resolve, reject] = [(): void => undefined, (): void => undefined]
    const passed = end(
      new Promise<void>((...both) => {
        ;[resolve, reject] = both
      }),
    )
    const settled = (how: () => void) => () => {
      how()
      return passed.catch(() => undefined)
    }
    return {
      answer: settled(() => {
        resolve()
      }),
      fail: settled(() => {
        reject()
      }),
    }
  }

  const fail = (sql?: string): Promise<unknown> => send(sql).fail()

  test('is free where nothing before it is on its way, and nothing failed', async () => {
    expect(transaction.enter('UPDATE').clear).toBeUndefined()
    const next = new OpenTransaction(() => Promise.resolve(false))
    await next.enter('UPDATE').end(Promise.resolve())
    expect(next.enter('UPDATE').clear).toBeUndefined()
  })

  test('is free when all before it were answered, without a question to the database', async () => {
    const before = [send(), send()]
    const { clear } = transaction.enter('UPDATE')
    let isClear = false
    const cleared = clear?.().then(() => (isClear = true))
    await before[0]?.answer()
    await new Promise(setImmediate)
    expect(isClear).toBe(false)
    await before[1]?.answer()
    expect(await cleared).toBe(true)
    expect(asked).toBe(0)
  })

  test('is lost with the transaction, for all that follows', async () => {
    isOpen = false
    const before = send()
    const waiting = transaction.enter('UPDATE').clear?.()
    await before.fail()
    await expect(waiting).rejects.toMatchObject({ code: 'TRANSACTION_LOST', kind: 'service' })
    const other = new OpenTransaction(() => Promise.resolve(false))
    await other
      .enter('UPDATE')
      .end(Promise.reject(new Error('deadlock')))
      .catch(() => undefined)
    const { clear, end } = other.enter('UPDATE')
    await expect(end(clear?.() ?? Promise.resolve())).rejects.toMatchObject({ code: 'TRANSACTION_LOST' })
    await expect(other.enter('UPDATE').clear?.()).rejects.toMatchObject({ code: 'TRANSACTION_LOST' })
  })

  test('is asked for once where the transaction goes on after a failure', async () => {
    await fail()
    const { clear, end } = transaction.enter('UPDATE')
    await end(clear?.() ?? Promise.reject(new Error('It was free')))
    expect(asked).toBe(1)
    expect(transaction.enter('UPDATE').clear).toBeUndefined()
  })

  test('is free in the next transaction', async () => {
    isOpen = false
    await fail()
    await send('START TRANSACTION').answer()
    expect(transaction.enter('UPDATE').clear).toBeUndefined()
    expect(asked).toBe(0)
  })

  test('is free where the application has ended the transaction itself', async () => {
    isOpen = false
    for (const end of ['ROLLBACK', 'commit']) {
      await send(end).answer()
      await fail()
      expect(transaction.enter('UPDATE').clear).toBeUndefined()
    }
    await send('BEGIN').answer()
    await send('ROLLBACK TO SAVEPOINT a').answer()
    await fail()
    await expect(transaction.enter('UPDATE').clear?.()).rejects.toMatchObject({ code: 'TRANSACTION_LOST' })
    expect(asked).toBe(1)
  })

  test('hands on what becomes of a statement', async () => {
    const { end } = transaction.enter('UPDATE')
    await expect(end(Promise.resolve('rows'))).resolves.toBe('rows')
    await expect(transaction.enter('UPDATE').end(Promise.reject(new RangeError('no')))).rejects.toThrow(
      RangeError,
    )
  })
})
