import {
  CancelKeyDeletionCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { pass, startClock, stopClock } from '../../support/clock'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'
import { Account, accounts, Load } from './support'

const MAX_AGE = 30_000

interface Trouble {
  what: string
  code: string
  begin(app: TestApplication, keyId: string): unknown
  end(app: TestApplication, keyId: string): unknown
}

const troubles: readonly Trouble[] = [
  {
    what: 'is disabled',
    code: 'KMS_KEY_DISABLED',
    begin: ({ client }, KeyId) => client.send(new DisableKeyCommand({ KeyId })),
    end: ({ client }, KeyId) => client.send(new EnableKeyCommand({ KeyId })),
  },
  {
    what: 'is scheduled for deletion',
    code: 'KMS_KEY_PENDING_DELETION',
    begin: ({ client }, KeyId) =>
      client.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 })),
    async end({ client }, KeyId) {
      await client.send(new CancelKeyDeletionCommand({ KeyId }))
      await client.send(new EnableKeyCommand({ KeyId }))
    },
  },
  {
    what: 'may no longer be used',
    code: 'KMS_ACCESS_DENIED',
    begin: ({ kms }) => {
      kms.misbehave({ deny: ['GenerateDataKey', 'Decrypt'] })
    },
    end: ({ kms }) => {
      kms.misbehave({})
    },
  },
]

describeDatabases(
  'A KMS key in the middle of a run',
  (db) => {
    let app: TestApplication
    let keyArn: string

    beforeAll(async () => {
      app = await startApplication(db(), [Account])
      keyArn = await app.createKey()
    })
    afterEach(startClock)
    afterAll(() => app.stop())

    it.each(troubles)(
      '$what: $code, at the latest after maxAge, and no restart when it is over',
      async (trouble) => {
        stopClock()
        const { dataSource } = await app.restart({ keyId: keyArn, cache: { maxAge: MAX_AGE } })
        const load = new Load(dataSource)
        await load.until('ok')
        await trouble.begin(app, keyArn)
        await load.turn()
        // No data key is younger than the trouble, so none outlives it by more than maxAge.
        await pass(MAX_AGE + 1, 1_000)
        const expired = await load.turn()
        await load.until(trouble.code, expired)
        const ended = load.attempts.length
        await trouble.end(app, keyArn)
        const healed = await load.turn()
        await load.until('ok', healed)
        await load.stop()
        for (const kind of ['read', 'write'] as const) {
          expect(Object.keys(load.outcomes(kind, expired, ended))).toEqual([trouble.code])
          expect(Object.keys(load.outcomes(kind, healed))).toEqual(['ok'])
        }
      },
    )

    it.each(troubles)(
      '$what: a data key that is not in memory is refused at once, naming the remedy',
      async (trouble) => {
        await app.dataSource.getRepository(Account).clear()
        const writer = await app.restart({ keyId: keyArn })
        const { id } = await writer.dataSource.getRepository(Account).save(accounts(1)[0]!)
        const fresh = await app.restart({ keyId: keyArn })
        await trouble.begin(app, keyArn)
        try {
          const repository = fresh.dataSource.getRepository(Account)
          const place = { code: trouble.code, entity: 'Account', property: 'privateKey' }
          expect(await failure(repository.insert(accounts(1)))).toMatchObject(place)
          expect(await failure(repository.find())).toMatchObject({ ...place, primaryKey: { id } })
          // The other process still has its data key.
          expect(await writer.dataSource.getRepository(Account).find()).toHaveLength(1)
        } finally {
          await trouble.end(app, keyArn)
        }
        expect(await fresh.dataSource.getRepository(Account).find()).toHaveLength(1)
      },
    )

    it('may no longer make data keys: writing fails, and reading goes on', async () => {
      const { id } = await app.dataSource.getRepository(Account).save(accounts(1)[0]!)
      const { dataSource } = await app.restart()
      app.kms.misbehave({ deny: 'GenerateDataKey' })
      const repository = dataSource.getRepository(Account)
      const error = await failure(repository.insert(accounts(1)))
      app.kms.misbehave({})
      expect(error).toMatchObject({ code: 'KMS_ACCESS_DENIED' })
      expect(error.message).toContain('Allow kms:GenerateDataKey')
      expect(await repository.findOneByOrFail({ id })).toMatchObject(accounts(1)[0]!)
    })
  },
  { databases: ['mariadb'] },
)
