import { encryptColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { Account } from './account'

const ROWS = 12

describeDatabases('a row that the application writes while it is being encrypted', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Account])
  })
  afterEach(() => {
    app.kms.misbehave({})
  })
  afterAll(() => app.stop())

  it('keeps what the application wrote, and is encrypted', async () => {
    for (let id = 0; id < ROWS; id++) {
      await db().rawQuery('INSERT INTO account (id, secret) VALUES (?, ?)', [
        id,
        Buffer.from(`original ${id}`),
      ])
    }
    // KMS answers only when the application has written: between the reading of the rows and their writing.
    const client = app.kms.client()
    const { dataSource } = await app.restart({ client })
    const write = async (): Promise<void> => {
      await db().rawQuery('UPDATE account SET secret = ? WHERE id = 7', [Buffer.from('plaintext meanwhile')])
      await db().rawQuery('DELETE FROM account WHERE id = 9')
      await db().rawQuery('UPDATE account SET secret = ? WHERE id = 8', [Buffer.from('another plaintext')])
    }
    let written: Promise<void> | undefined
    client.middlewareStack.add(
      (next) => async (args) => {
        await (written ??= write())
        return next(args)
      },
      { step: 'initialize' },
    )
    await encryptColumns(dataSource, Account, ['secret'], { batchSize: ROWS })
    expect(written).toBeDefined()
    client.destroy()
    const rows = await app.dataSource.getRepository(Account).find({ order: { id: 'ASC' } })
    expect(rows).toHaveLength(ROWS - 1)
    for (const { id, secret } of rows) {
      expect(secret).toBe(
        id === 7 ? 'plaintext meanwhile' : id === 8 ? 'another plaintext' : `original ${id}`,
      )
    }
    expect(await verifyColumns(app.dataSource, Account, ['secret'])).toMatchObject([
      { failed: 0, rows: ROWS - 1 },
    ])
  })
})
