/** The transaction of a connection, whoever began it. */
export interface RowsTransaction {
  /** True if somebody else's is open: a migration's. */
  isOpen(): Promise<boolean>
  run(sql: string): Promise<unknown>
}

const SAVEPOINT = 'kms_rows'

/** Runs `work` in a transaction of its own, or inside of the one that is open; undone as a whole if it fails. */
export async function inTransaction<T>(transaction: RowsTransaction, work: () => Promise<T>): Promise<T> {
  const isOpen = await transaction.isOpen()
  await transaction.run(isOpen ? `SAVEPOINT ${SAVEPOINT}` : 'START TRANSACTION')
  try {
    const result = await work()
    await transaction.run(isOpen ? `RELEASE SAVEPOINT ${SAVEPOINT}` : 'COMMIT')
    return result
  } catch (error) {
    // After a deadlock there is nothing left to undo.
    await undo(transaction, isOpen).catch(() => undefined)
    throw error
  }
}

/** Runs `work` and undoes it. */
export async function rolledBack(transaction: RowsTransaction, work: () => Promise<void>): Promise<void> {
  const done = new Error('done')
  await inTransaction(transaction, async () => {
    await work()
    throw done
  }).catch((error: unknown) => {
    if (error !== done) throw error
  })
}

async function undo(transaction: RowsTransaction, isOpen: boolean): Promise<void> {
  if (!isOpen) await transaction.run('ROLLBACK')
  else {
    await transaction.run(`ROLLBACK TO SAVEPOINT ${SAVEPOINT}`)
    await transaction.run(`RELEASE SAVEPOINT ${SAVEPOINT}`)
  }
}
