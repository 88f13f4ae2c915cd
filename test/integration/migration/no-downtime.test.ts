import { setTimeout as sleep } from 'node:timers/promises'
import { Column, DataSource, type DataSourceOptions, Entity, PrimaryColumn, type Repository } from 'typeorm'
import { kmsEncryption, KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, encryptColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { KEY, testKms } from '../../support/encryption'

interface Token {
  id: number
  secret: string
}

@Entity('token')
class PlaintextToken implements Token {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { length: 100 }) secret!: string
}

@Entity('token')
class AcceptingToken implements Token {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', storage: 'text', acceptPlaintext: true }) secret!: string
}

@Entity('token')
class StrictToken implements Token {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', storage: 'text' }) secret!: string
}

const ROWS = 400

describeDatabases('the documented order for no downtime', (db) => {
  it('shows the application no error and no wrong value', async () => {
    const { client } = await testKms()
    const encryption = kmsEncryption({ keyId: KEY, client })
    const started: DataSource[] = []
    const deploy = async (entity: new () => Token, options: Partial<DataSourceOptions> = {}) => {
      const merged = { ...db().options, ...options, entities: [entity] } as DataSourceOptions
      const dataSource = await new DataSource(encryption.configure(merged)).initialize()
      started.push(dataSource)
      return dataSource
    }
    let current: Repository<Token>
    const plaintext = await deploy(PlaintextToken, { synchronize: true })
    current = plaintext.getRepository<Token>(PlaintextToken)
    const expected = new Map(Array.from({ length: ROWS }, (_, id) => [id, `original ${id} é`]))
    await current.insert(Array.from(expected, ([id, secret]) => ({ id, secret })))

    const wrong: string[] = []
    let operations = 0
    const stop = new AbortController()
    const use = async (worker: number): Promise<void> => {
      while (!stop.signal.aborted) {
        const id = Math.floor((Math.random() * ROWS) / 4) * 4 + worker
        const { secret } = await current.findOneByOrFail({ id })
        if (secret !== expected.get(id)) wrong.push(`${id}: ${secret}`)
        const next = `written ${operations++} to ${id}`
        await current.update({ id }, { secret: next })
        expected.set(id, next)
        await sleep(1)
      }
    }
    const application = Promise.all([0, 1, 2, 3].map(use))
    await sleep(50)

    // 1. Widen the type.
    if (db().name === 'mariadb') await db().rawQuery('ALTER TABLE token MODIFY secret text NOT NULL')
    if (db().name === 'postgres') await db().rawQuery('ALTER TABLE token ALTER COLUMN secret TYPE text')
    await sleep(50)
    // 2. Deploy what reads both and writes ciphertext.
    const accepting = await deploy(AcceptingToken)
    current = accepting.getRepository<Token>(AcceptingToken)
    await sleep(100)
    // 3. Encrypt in place.
    const [result] = await encryptColumns(accepting, AcceptingToken, ['secret'], { batchSize: 20 })
    await sleep(50)
    // 4. Verify.
    expect(await columnStatus(accepting, AcceptingToken, 'secret')).toMatchObject({
      plaintext: 0,
      rows: ROWS,
    })
    const strictCheck = await verifyColumns(accepting, AcceptingToken, ['secret'])
    expect(strictCheck).toMatchObject([{ failed: 0, rows: ROWS }])
    // 5. Deploy strict.
    const strict = await deploy(StrictToken)
    current = strict.getRepository<Token>(StrictToken)
    await sleep(100)
    stop.abort()
    await application

    expect(wrong).toEqual([])
    expect(operations).toBeGreaterThan(50)
    expect(result!.changed).toBeGreaterThan(0)
    const rows = await current.find()
    expect(new Map(rows.map(({ id, secret }) => [id, secret]))).toEqual(expected)
    for (const dataSource of started) await dataSource.destroy()
    encryption.close()
  })
})
