import 'reflect-metadata'
import { randomUUID } from 'node:crypto'
import { Column, type DataSource, Entity, PrimaryColumn } from 'typeorm'
import { isUndecryptable, KmsEncrypted, undecryptable } from 'typeorm-kms-encrypted'
import { rotateColumns } from 'typeorm-kms-encrypted/migration'
import { databaseFindings } from '../../../src/cli/commands/doctor/database'
import { isInUse, keyUsage } from '../../../src/cli/commands/keys/key-usage'
import { KeyAdministration } from '../../../src/kms/aws/key-administration'
import { tool } from '../../unit/cli/support'
import { describeDatabases } from '../../support/databases'
import { failure, KEY, startApplication, type TestApplication } from '../../support/encryption'
import { runs } from '../../support/thorough'

/** What the tool gets for the file with the DataSource. */
let loaded: DataSource
jest.mock('../../../src/cli/load-module', () => ({
  loadModule: () => Promise.resolve({ dataSource: loaded }),
}))

@Entity()
class Account {
  @PrimaryColumn('uuid') id!: string
  @Column({ type: 'int', name: 'tenant_id' }) tenantId!: number
  @KmsEncrypted({ keyPer: ['tenantId'], boundTo: { row: ['id'] } }) iban!: string
}

/** Each tenant has a KMS key. */
@Entity()
class Client {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column({ type: 'int', name: 'tenant_id' }) tenantId!: number
  @KmsEncrypted({ keyPer: ['tenantId'] }) iban!: string
  @KmsEncrypted({ keyPer: { tenant_id: 'tenantId' }, mode: 'direct' }) pin!: string
}

const TENANTS = 50
const ROWS = 200
/** Tenants that are as many as data keys fit into the memory. */
const MANY = runs(200, 1_000)

describeDatabases('A data key for each tenant', (db) => {
  let app: TestApplication
  const rowsOf = (tenants: number, rows: number) =>
    Array.from({ length: rows }, (_, at) => ({
      id: randomUUID(),
      tenantId: at % tenants,
      iban: `iban ${at % tenants}`,
    }))

  beforeAll(async () => {
    app = await startApplication(db(), [Account, Client])
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

  it.each([
    [MANY, MANY, MANY],
    [200, 20, 600],
  ])(
    'for %i tenants that take turns, in a memory of %i: at most %i calls for three rows each',
    async (tenants, maxKeys, calls) => {
      let named = 0
      const keyId = (): string => {
        named++
        return KEY
      }
      const { dataSource, encryption } = await app.restart({ cache: { maxKeys }, keyId })
      const repository = dataSource.getRepository(Account)
      named = 0
      for (let round = 0; round < 3; round++) {
        await repository.insert(rowsOf(tenants, tenants))
        expect(encryption.metrics().dataKeys.cached).toBeLessThanOrEqual(maxKeys)
      }
      expect(app.kms.calls.count()).toBeLessThanOrEqual(calls)
      // What is remembered of tenants is no more than data keys.
      if (maxKeys < tenants) {
        expect(named).toBeGreaterThan(2 * tenants)
        return
      }
      expect(named).toBe(tenants)
      expect(await repository.find()).toHaveLength(3 * tenants)
      expect(app.kms.calls.count()).toBe(calls)
    },
  )

  it('under a KMS key for each: told by status, doctor and the deletion guard, and moved by rotate', async () => {
    const [first, second, third] = [await app.createKey(), await app.createKey(), await app.createKey()]
    const keys = new KeyAdministration(app.client)
    const of: Record<string, string> = { 1: first, 2: second }
    const start = () => app.restart({ keyId: ({ tenant_id: tenant = '' }) => of[tenant] ?? KEY })
    let { dataSource } = await start()
    await dataSource.getRepository(Client).clear()
    await dataSource
      .getRepository(Client)
      .insert([1, 2, 3].map((id) => ({ id, tenantId: id < 3 ? 1 : 2, iban: 'i', pin: 'p' })))
    const usageOf = async (key: string) => {
      const usages = await keyUsage(dataSource, await keys.describe(key), keys)
      return usages.filter(({ column }) => column.startsWith('Client'))
    }
    const usage = { history: 0, untold: 0, unseen: undefined }
    for (const [key, rows] of [
      [first, 2],
      [second, 1],
    ] as const)
      expect(await usageOf(key)).toMatchObject([1, 2].map(() => ({ ...usage, rows, configured: true })))
    expect((await usageOf(third)).map(isInUse)).toEqual([false, false])

    const restarted = await start()
    loaded = restarted.dataSource
    const status = await tool(['status', '-d', __filename, '--columns', 'Client'])
    expect(status.stdout).toContain(first)
    expect(status.stdout).toContain(second)
    expect(status.stdout).not.toContain('key tag')
    const found = await databaseFindings(dataSource, 'ormconfig.ts')
    expect(
      found.filter(({ message }) => message.includes('Client.')).map(({ level }) => level),
    ).not.toContain('note')
    expect(found.some(({ remedy = '' }) => remedy.includes('--columns Client'))).toBe(false)

    const rotate = async () =>
      (await rotateColumns(dataSource, Client, ['iban', 'pin'])).map(({ changed }) => changed)
    expect(await rotate()).toEqual([0, 0])
    of[1] = third
    ;({ dataSource } = await start())
    app.kms.calls.reset()
    expect(await rotate()).toEqual([2, 2])
    expect(app.kms.calls.count('Decrypt')).toBe(0)
    expect(await rotate()).toEqual([0, 0])
    expect((await usageOf(first)).map(isInUse)).toEqual([false, false])
    expect(await dataSource.getRepository(Client).find()).toMatchObject(
      [1, 2, 3].map(() => ({ iban: 'i', pin: 'p' })),
    )
    // What a function does not say, nobody knows.
    of[2] = ''
    ;({ dataSource } = await start())
    expect((await usageOf(first)).map(({ unseen }) => unseen)).toEqual([
      expect.stringMatching(/does not say which for all rows/),
      expect.stringMatching(/does not say which for all rows/),
    ])
  })
})
