import { inTransaction, rolledBack, type RowsTransaction } from '../../../../src/dialects/rows/transaction'

/** What is sent of a transaction. Statements that begin with `fails` are refused. */
function session({ isOpen = false, fails }: { isOpen?: boolean; fails?: string } = {}) {
  const sent: string[] = []
  const transaction: RowsTransaction = {
    isOpen: () => Promise.resolve(isOpen),
    run: (sql) => {
      sent.push(sql)
      return fails !== undefined && sql.startsWith(fails)
        ? Promise.reject(new Error(`refused: ${sql}`))
        : Promise.resolve()
    },
  }
  return { sent, transaction, work: () => Promise.resolve(sent.push('work')) }
}

const OWN = ['START TRANSACTION', 'work']
const INSIDE = ['SAVEPOINT kms_rows', 'work']
const fail = (error: Error) => () => Promise.reject(error)
const refused = new Error('a constraint')

describe('Work on rows', () => {
  it('has a transaction of its own, and gives its result', async () => {
    const { sent, transaction, work } = session()
    expect(await inTransaction(transaction, work)).toBe(2)
    expect(sent).toEqual([...OWN, 'COMMIT'])
  })

  it('is a savepoint in the transaction of somebody else, who commits', async () => {
    const { sent, transaction, work } = session({ isOpen: true })
    await inTransaction(transaction, work)
    expect(sent).toEqual([...INSIDE, 'RELEASE SAVEPOINT kms_rows'])
  })

  it('is undone if it fails, and its error is thrown', async () => {
    const { sent, transaction } = session()
    await expect(inTransaction(transaction, fail(refused))).rejects.toBe(refused)
    expect(sent).toEqual(['START TRANSACTION', 'ROLLBACK'])
  })

  it('undoes only itself in the transaction of somebody else', async () => {
    const { sent, transaction } = session({ isOpen: true })
    await expect(inTransaction(transaction, fail(refused))).rejects.toBe(refused)
    expect(sent).toEqual([
      'SAVEPOINT kms_rows',
      'ROLLBACK TO SAVEPOINT kms_rows',
      'RELEASE SAVEPOINT kms_rows',
    ])
  })

  it('fails with its own error, though nothing is left to undo', async () => {
    const { transaction } = session({ isOpen: true, fails: 'ROLLBACK' })
    await expect(inTransaction(transaction, fail(refused))).rejects.toBe(refused)
  })

  it('is undone if it cannot be committed', async () => {
    const { sent, transaction, work } = session({ fails: 'COMMIT' })
    await expect(inTransaction(transaction, work)).rejects.toThrow('refused: COMMIT')
    expect(sent).toEqual([...OWN, 'COMMIT', 'ROLLBACK'])
  })

  it('does not begin where no transaction does', async () => {
    const { sent, transaction, work } = session({ fails: 'START' })
    await expect(inTransaction(transaction, work)).rejects.toThrow('refused: START')
    expect(sent).toEqual(['START TRANSACTION'])
  })
})

describe('Work that is tried out', () => {
  it.each([
    [false, [...OWN, 'ROLLBACK']],
    [true, [...INSIDE, 'ROLLBACK TO SAVEPOINT kms_rows', 'RELEASE SAVEPOINT kms_rows']],
  ])('is undone (in a transaction: %s)', async (isOpen, statements) => {
    const { sent, transaction, work } = session({ isOpen })
    await expect(
      rolledBack(transaction, async () => {
        await work()
      }),
    ).resolves.toBeUndefined()
    expect(sent).toEqual(statements)
  })

  it('throws what the database has against it', async () => {
    const { sent, transaction } = session()
    await expect(rolledBack(transaction, fail(refused))).rejects.toBe(refused)
    expect(sent).toEqual(['START TRANSACTION', 'ROLLBACK'])
  })
})
