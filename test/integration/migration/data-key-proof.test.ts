import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { encryptColumns, rotateColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Wallet {
  @PrimaryGeneratedColumn() id!: number
  @Column() owner!: string
  @KmsEncrypted({ type: 'buffer', acceptPlaintext: true }) secret!: Buffer
}

describeDatabases('A KMS that gives other data keys than those in its blobs', (db) => {
  let app: TestApplication
  let lies: boolean

  beforeAll(async () => {
    app = await startApplication(db(), [Wallet])
    app.client.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args)
        const { output } = result
        // GenerateDataKey has both.
        if (lies && 'Plaintext' in output && 'CiphertextBlob' in output) output.Plaintext?.reverse()
        return result
      },
      { step: 'initialize', name: 'lie' },
    )
  })
  beforeEach(async () => {
    lies = true
    await app.dataSource.query(`DELETE FROM ${db().quote('wallet')}`)
  })
  afterAll(() => app.stop())

  const stored = async (): Promise<string[]> => {
    const rows = await db().rawQuery(`SELECT ${db().quote('secret')} AS s FROM ${db().quote('wallet')}`)
    return rows.map(({ s }) => Buffer.from(s as Buffer).toString())
  }

  it('overwrites no plaintext, and the pass succeeds once KMS is well', async () => {
    await db().rawQuery(
      `INSERT INTO ${db().quote('wallet')} (${db().quote('owner')}, ${db().quote('secret')}) VALUES ('a', ?)`,
      [Buffer.from('a plaintext')],
    )
    const { dataSource } = await app.restart()
    expect(await failure(encryptColumns(dataSource, Wallet, ['secret']))).toMatchObject({
      code: 'SELF_CHECK_FAILED',
      kind: 'run',
    })
    expect(await stored()).toEqual(['a plaintext'])
    lies = false
    const well = (await app.restart()).dataSource
    await encryptColumns(well, Wallet, ['secret'])
    const fresh = (await app.restart()).dataSource
    expect((await fresh.getRepository(Wallet).find())[0]?.secret.toString()).toBe('a plaintext')
  })

  it('overwrites no ciphertext that is encrypted anew', async () => {
    lies = false
    await app.dataSource.getRepository(Wallet).insert({ owner: 'a', secret: Buffer.from('a value') })
    const before = await stored()
    lies = true
    const { dataSource } = await app.restart()
    const rotation = rotateColumns(dataSource, Wallet, ['secret'], { newDataKeys: true })
    expect(await failure(rotation)).toMatchObject({ code: 'SELF_CHECK_FAILED' })
    expect(await stored()).toEqual(before)
  })
})
