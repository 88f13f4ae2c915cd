import 'reflect-metadata'
import { randomUUID } from 'node:crypto'
import { Column, Entity, PrimaryColumn } from 'typeorm'
import { isUndecryptable, KmsEncrypted, undecryptable } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Account {
  @PrimaryColumn('uuid') id!: string
  @Column({ type: 'int', name: 'tenant_id' }) tenantId!: number
  @KmsEncrypted({ keyPer: ['tenantId'], boundTo: { row: ['id'] } }) iban!: string
}

const TENANTS = 50
const ROWS = 1_000

describeDatabases('A data key for each tenant', (db) => {
  let app: TestApplication
  const rowsOf = (tenants: number, rows: number) =>
    Array.from({ length: rows }, (_, at) => ({
      id: randomUUID(),
      tenantId: at % tenants,
      iban: `iban ${at % tenants}`,
    }))

  beforeAll(async () => {
    app = await startApplication(db(), [Account])
  })
  beforeEach(async () => {
    await app.dataSource.getRepository(Account).clear()
    app.kms.calls.reset()
  })
  afterAll(() => app.stop())

  it('costs one call for each, whatever the rows: written, read cold, and none read warm', async () => {
    const writer = await app.restart()
    await writer.dataSource.getRepository(Account).insert(rowsOf(TENANTS, ROWS))
    expect(app.kms.calls.count('GenerateDataKey')).toBe(TENANTS)
    expect(app.kms.calls.count()).toBe(TENANTS)
    app.kms.calls.reset()
    const { dataSource } = await app.restart()
    const read = () => dataSource.getRepository(Account).find()
    expect((await read()).filter(({ tenantId, iban }) => iban === `iban ${tenantId}`)).toHaveLength(ROWS)
    expect(app.kms.calls.count('Decrypt')).toBe(TENANTS)
    app.kms.calls.reset()
    await read()
    expect(app.kms.calls.count()).toBe(0)
  })

  it('takes no more room than cache.maxKeys, also for a page of more tenants than that', async () => {
    const { dataSource, encryption } = await app.restart({ cache: { maxKeys: 3 } })
    const repository = dataSource.getRepository(Account)
    for (const row of rowsOf(12, 36)) {
      await repository.insert(row)
      expect(encryption.metrics().dataKeys.cached).toBeLessThanOrEqual(3)
    }
    const found = await repository.find()
    expect(found.filter(({ tenantId, iban }) => iban === `iban ${tenantId}`)).toHaveLength(36)
    expect(encryption.metrics().dataKeys.cached).toBeLessThanOrEqual(3)
  })

  it('can be left to IAM: a role for one tenant reads and writes that one', async () => {
    await app.dataSource.getRepository(Account).insert(rowsOf(2, 4))
    app.kms.setPolicy('tenant1', {
      Version: '2012-10-17',
      Statement: {
        Effect: 'Allow',
        Action: ['kms:GenerateDataKey', 'kms:Decrypt'],
        Resource: `arn:aws:kms:${app.kms.region}:${app.kms.accountId}:key/*`,
        Condition: { StringEquals: { 'kms:EncryptionContext:tenant_id': '1' } },
      },
    })
    const client = app.kms.client({
      maxAttempts: 1,
      credentials: { accessKeyId: 'tenant1', secretAccessKey: 'local' },
    })
    const { dataSource } = await app.restart({ client, onUndecryptable: 'marker' })
    const repository = dataSource.getRepository(Account)
    expect((await repository.findBy({ tenantId: 1 })).map(({ iban }) => iban)).toEqual(['iban 1', 'iban 1'])
    for (const { iban } of await repository.findBy({ tenantId: 0 })) {
      expect(isUndecryptable(iban)).toBe(true)
      expect(undecryptable(iban)?.failure.code).toMatch(/KMS_ACCESS_DENIED|CIPHERTEXT_NOT_TRIED/)
    }
    await repository.insert({ id: randomUUID(), tenantId: 1, iban: 'iban 1' })
    expect(await failure(repository.insert({ id: randomUUID(), tenantId: 0, iban: 'x' }))).toMatchObject({
      code: 'KMS_ACCESS_DENIED',
    })
    expect(await repository.countBy({ tenantId: 0 })).toBe(2)
  })
})
