import { KMSClient } from '@aws-sdk/client-kms'
import { describeDatabases } from '../../support/databases'
import { failure, KEY, startApplication, type TestApplication } from '../../support/encryption'
import { Account, accounts, timed } from './support'

const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }

describeDatabases(
  'An application with',
  (db) => {
    let app: TestApplication

    beforeAll(async () => {
      app = await startApplication(db(), [Account])
      await app.dataSource.getRepository(Account).insert(accounts(1))
    })
    afterEach(() => {
      app.kms.misbehave({})
    })
    afterAll(() => app.stop())

    const insertWith = async (options: Parameters<TestApplication['restart']>[0]) => {
      const { dataSource } = await app.restart(options)
      return failure(dataSource.getRepository(Account).insert(accounts(1)))
    }

    it('a key of another region is told both regions', async () => {
      const error = await insertWith({ keyId: `arn:aws:kms:eu-west-1:${app.kms.accountId}:key/1` })
      expect(error).toMatchObject({ code: 'KMS_REGION', entity: 'Account', property: 'privateKey' })
      expect(error.message).toContain('region eu-west-1, the KMS client in us-east-1')
    })

    it('an alias that is in another region is told to look there', async () => {
      const error = await insertWith({ keyId: 'alias/elsewhere' })
      expect(error).toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
      expect(error.message).toMatch(/the account and the region/)
    })

    it.each(['http://127.0.0.1:9', 'http://kms.invalid'])(
      'the wrong endpoint %s gets KMS_UNAVAILABLE',
      async (endpoint) => {
        const client = new KMSClient({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 })
        const { dataSource } = await app.restart({ client, timeout: 2_000 })
        const { took, error } = await timed(dataSource.getRepository(Account).find())
        client.destroy()
        expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE', entity: 'Account', property: 'privateKey' })
        expect((error as Error).message).toContain('endpoint')
        expect(took).toBeLessThan(30_000)
      },
    )

    it('credentials that expire fails until they are renewed, and then goes on by itself', async () => {
      // A provider like those of roles: asked again when what it gave is about to expire.
      let session = 1
      const provider = () =>
        Promise.resolve({
          accessKeyId: `SESSION${session}`,
          secretAccessKey: 'local',
          expiration: new Date(Date.now() + 1_000),
        })
      app.kms.misbehave({ fail: () => (session === 2 ? undefined : 'ExpiredTokenException') })
      const client = app.kms.client({ credentials: provider, maxAttempts: 1 })
      const { dataSource } = await app.restart({ client, keyId: KEY })
      const repository = dataSource.getRepository(Account)
      const error = await failure(repository.find())
      expect(error).toMatchObject({ code: 'KMS_CREDENTIALS', entity: 'Account' })
      expect(error.message).toContain('renew the expired ones')
      session = 2
      expect(await repository.find()).toHaveLength(1)
      await repository.insert(accounts(1))
    })

    it('no credentials at all is told where they come from', async () => {
      const client = app.kms.client({
        credentials: () =>
          Promise.reject(
            Object.assign(new Error('Could not load credentials'), { name: 'CredentialsProviderError' }),
          ),
      })
      const error = await insertWith({ client })
      expect(error).toMatchObject({ code: 'KMS_CREDENTIALS' })
      expect(error.message).toContain('AWS_ACCESS_KEY_ID')
    })
  },
  { databases: ['mariadb'] },
)
