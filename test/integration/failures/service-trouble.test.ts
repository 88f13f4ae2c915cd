import { verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'
import { Account, accounts, DirectAccount } from './support'

/** Trouble that says nothing about a row: what KMS answers, and the code that the application sees. */
const TROUBLES = [
  ['SomethingNewException', 'KMS_REQUEST_FAILED'],
  ['KeyUnavailableException', 'KMS_KEY_UNAVAILABLE'],
  ['CustomKeyStoreInvalidStateException', 'KMS_KEY_UNAVAILABLE'],
  ['CloudHsmClusterNotActiveException', 'KMS_KEY_UNAVAILABLE'],
  ['RequestTimeTooSkewed', 'KMS_CLOCK'],
  ['SignatureDoesNotMatch', 'KMS_CREDENTIALS'],
  ['ThrottlingException', 'KMS_THROTTLED'],
  ['KMSInternalException', 'KMS_UNAVAILABLE'],
] as const

describeDatabases('Trouble of KMS itself is never taken for that of a row', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Account, DirectAccount])
    await app.dataSource.getRepository(Account).insert(accounts(3))
    await app.dataSource.getRepository(DirectAccount).insert(accounts(3))
  })
  afterEach(() => {
    app.kms.misbehave({})
  })
  afterAll(() => app.stop())

  describe.each([
    ['envelope', Account],
    ['direct', DirectAccount],
  ])('in %s mode', (_, Entity) => {
    it.each(TROUBLES)('%s is %s in a read, with markers, and in verify', async (exception, code) => {
      const { dataSource } = await app.restart({ onUndecryptable: 'marker' })
      app.kms.misbehave({ fail: () => exception })
      expect(await failure(dataSource.getRepository(Entity).find())).toMatchObject({ code, kind: 'service' })
      expect(await failure(verifyColumns(dataSource, Entity, ['privateKey']))).toMatchObject({ code })
      app.kms.misbehave({})
      expect(await verifyColumns(dataSource, Entity, ['privateKey'])).toMatchObject([{ failed: 0, rows: 3 }])
      const found = await dataSource.getRepository(Entity).find()
      expect(found.map(({ privateKey }) => privateKey).sort()).toEqual(['key of 0', 'key of 1', 'key of 2'])
    })
  })
})
