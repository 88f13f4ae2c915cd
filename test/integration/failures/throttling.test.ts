import { KMSClient } from '@aws-sdk/client-kms'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'
import { Account, accounts, DirectAccount, Load } from './support'

const VALUES = 60

describeDatabases(
  'A throttled KMS',
  (db) => {
    let app: TestApplication

    beforeAll(async () => {
      app = await startApplication(db(), [Account, DirectAccount])
    })
    afterEach(() => {
      app.kms.misbehave({})
    })
    afterAll(() => app.stop())

    /** A client that keeps count of the requests that are under way at once. */
    const countingClient = (maxAttempts: number) => {
      const requests = { now: 0, most: 0 }
      const client = new KMSClient({
        region: app.kms.region,
        credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
        maxAttempts,
        requestHandler: {
          async handle(...args: Parameters<typeof app.kms.requestHandler.handle>) {
            requests.most = Math.max(requests.most, ++requests.now)
            return app.kms.requestHandler.handle(...args).finally(() => requests.now--)
          },
        },
      })
      return { client, requests }
    }

    it('goes unnoticed: the SDK repeats the calls, with as many at once as concurrency says', async () => {
      const { client, requests } = countingClient(10)
      // The SDK's waits double: a call that is throttled four times in a row needs more than the default of 5 s.
      const { dataSource, encryption } = await app.restart({ client, concurrency: 7, timeout: 600_000 })
      const repository = dataSource.getRepository(DirectAccount)
      app.kms.calls.reset()
      app.kms.misbehave({ throttle: 0.15, latency: 2 })
      await repository.insert(accounts(VALUES))
      const found = await repository.find({ order: { id: 'ASC' } })
      expect(found).toMatchObject(accounts(VALUES))
      expect(app.kms.calls.filter(({ outcome }) => outcome === 'ThrottlingException').length).toBeGreaterThan(
        0,
      )
      expect(requests.most).toBe(7)
      expect(encryption.metrics().kmsBill.requests).toBe(app.kms.calls.count())
    })

    it('by default is asked at most 20 calls at once', async () => {
      const { client, requests } = countingClient(1)
      const { dataSource } = await app.restart({ client })
      app.kms.misbehave({ latency: 2 })
      await dataSource.getRepository(DirectAccount).insert(accounts(VALUES))
      expect(requests.most).toBe(20)
    })

    it('that stays throttled is an error after the last attempt, which names the quota', async () => {
      const { dataSource } = await app.restart({ client: app.kms.client({ maxAttempts: 2 }) })
      app.kms.calls.reset()
      app.kms.misbehave({ throttle: 1 })
      const error = await failure(dataSource.getRepository(Account).insert(accounts(1)))
      expect(error).toMatchObject({ code: 'KMS_THROTTLED', entity: 'Account', property: 'privateKey' })
      expect(error.message).toContain('"Cryptographic operations (symmetric) request rate"')
      expect(app.kms.calls.count('GenerateDataKey')).toBe(2)
    })

    it('does not disturb an application whose data keys are in memory', async () => {
      await app.dataSource.getRepository(Account).insert(accounts(1))
      app.kms.misbehave({ throttle: 1 })
      const load = new Load(app.dataSource)
      await new Promise((resolve) => setTimeout(resolve, 300))
      await load.stop()
      expect(Object.keys(load.outcomes('read'))).toEqual(['ok'])
      expect(Object.keys(load.outcomes('write'))).toEqual(['ok'])
    })
  },
  { databases: ['mariadb'] },
)
