import { setTimeout as sleep } from 'node:timers/promises'
import { Column, Entity, PrimaryGeneratedColumn, type Repository, VersionColumn } from 'typeorm'
import { KmsEncrypted, type KmsEncryptionOptions } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { failure, startApplication, type TestApplication } from '../support/encryption'

@Entity()
class Account {
  @PrimaryGeneratedColumn() id!: number
  @Column() label!: string
  @KmsEncrypted() secret!: string
  @KmsEncrypted({ nullable: true, mode: 'direct' }) direct?: string
  @KmsEncrypted({ nullable: true }) bytes?: Buffer
  @VersionColumn() version!: number
}

const limits: Record<string, Partial<KmsEncryptionOptions>> = {
  'with data keys in the cache': {},
  'while data keys expire': { cache: { maxAge: 1 } },
  'with room for one data key': { cache: { maxKeys: 1, maxValues: 2 } },
  'with one KMS call at a time': { concurrency: 1, cache: { maxValues: 1, maxKeys: 2 } },
}

describe.each(Object.entries(limits))('%s', (_, options) => {
  describeDatabases('Concurrent use', (db) => {
    let application: TestApplication
    let accounts: Repository<Account>

    beforeAll(async () => {
      // Fewer connections than operations at once.
      application = await startApplication(db(), [Account], options, { poolSize: 5 })
      accounts = application.dataSource.getRepository(Account)
    })

    afterAll(() => application.stop())

    beforeEach(() => accounts.clear())

    const numbers = Array.from({ length: 8 }, (_unused, number) => number)
    const account = (number: number): Account =>
      accounts.create({ label: `${number}`, secret: `secret ${number}`, direct: `direct ${number}` })

    const expectRight = (found: readonly Account[]): void => {
      for (const { label, secret, direct } of found) {
        expect({ secret, direct }).toEqual({ secret: `secret ${label}`, direct: `direct ${label}` })
      }
    }

    // SQLite has one connection, and TypeORM one transaction on it: concurrent saves need the servers.
    const inTransactions = (): boolean => db().name !== 'sqlite'

    test('inserts and finds of many rows see only whole plaintexts', async () => {
      const found = await Promise.all(
        numbers.map(async (number) => {
          await accounts.insert(account(number))
          return accounts.find()
        }),
      )
      for (const each of found) expectRight(each)
      expect(await accounts.count()).toBe(numbers.length)
    })

    test('saves of different entities each store their own values', async () => {
      await (inTransactions()
        ? Promise.all(numbers.map((number) => accounts.save(account(number))))
        : accounts.save(numbers.map(account)))
      const found = await accounts.find()
      expect(found).toHaveLength(numbers.length)
      expectRight(found)
    })

    test('saves and finds of the same rows never show a mixture or a ciphertext', async () => {
      await accounts.save(numbers.map(account))
      const rows = await accounts.find({ order: { id: 'ASC' } })
      const saving = rows.map(async (row, index) => {
        const number = 100 + index
        const changed = { label: `${number}`, secret: `secret ${number}`, direct: `direct ${number}` }
        await (inTransactions()
          ? accounts.save(Object.assign(row, changed))
          : accounts.update(row.id, changed))
        expectRight([row])
      })
      const finding = numbers.map(async (number) => {
        await sleep(number % 4)
        expectRight(await accounts.find())
      })
      await Promise.all([...saving, ...finding])
      const found = await accounts.find()
      expect(found.every(({ label }) => Number(label) >= 100)).toBe(true)
      expectRight(found)
    })

    test('one entity saved twice at once holds its plaintexts throughout', async () => {
      const saved = await accounts.save(account(1))
      const { version } = saved
      const twice = [1, 2].map((number) => {
        Object.assign(saved, { secret: `secret ${number}`, direct: `direct ${number}`, label: `${number}` })
        return accounts.save(saved)
      })
      expectRight([saved])
      const outcomes = await Promise.allSettled(twice)
      for (const outcome of outcomes) {
        // Two transactions may lock each other out; then the server chooses one.
        if (outcome.status === 'rejected') expect(outcome.reason).toHaveProperty('name', 'QueryFailedError')
      }
      expectRight([saved, await accounts.findOneByOrFail({ id: saved.id })])
      expect((await accounts.findOneByOrFail({ id: saved.id })).version).toBeGreaterThan(version)
    })

    test('a new entity saved twice at once holds its plaintexts, whatever TypeORM makes of it', async () => {
      if (!inTransactions()) return
      const fresh = account(7)
      await Promise.allSettled([accounts.save(fresh), accounts.save(fresh)])
      expectRight([fresh])
      expectRight(await accounts.find())
    })

    test.each(['insert', 'save'] as const)(
      'a Buffer that changes while KMS is asked by %s is stored as it was at one moment',
      async (method) => {
        const fresh = Object.assign(account(1), { bytes: Buffer.alloc(10_000, 1) })
        application.kms.misbehave({ latency: 10 })
        const writing = accounts[method](fresh)
        await sleep(5)
        fresh.bytes.fill(2)
        await writing
        application.kms.misbehave({})
        const { bytes } = await accounts.findOneByOrFail({ label: '1' })
        expect(new Set(bytes)).toHaveProperty('size', 1)
        expect(bytes).toHaveLength(10_000)
      },
    )

    test('one failing call to KMS fails only those who need it', async () => {
      await accounts.insert(numbers.map(account))
      const { dataSource } = await application.restart({ cache: { maxKeys: 1, maxValues: 1 } })
      const fresh = dataSource.getRepository(Account)
      let calls = 0
      application.kms.misbehave({ fail: () => (calls++ === 0 ? 'KMSInternalException' : undefined) })
      expect((await failure(fresh.find())).code).toBe('KMS_UNAVAILABLE')
      application.kms.misbehave({})
      const found = await Promise.all(numbers.map(() => fresh.find()))
      for (const each of found) expectRight(each)
    })

    test('the cache keeps to its limits', () => {
      const { cached } = application.encryption.metrics().dataKeys
      expect(cached).toBeLessThanOrEqual(options.cache?.maxKeys ?? 1_000)
    })
  })
})
