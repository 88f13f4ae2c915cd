import { setTimeout as sleep } from 'node:timers/promises'
import { Column, type DataSource, Entity, type EntityManager, PrimaryColumn } from 'typeorm'
import { KmsEncrypted, type KmsEncryptionOptions } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { failure, startApplication, type TestApplication } from '../support/encryption'

@Entity()
class Account {
  @PrimaryColumn('int') id!: number
  @Column() label!: string
  @KmsEncrypted() secret!: string
}

const account = (id: number, secret = `secret ${id}`): Account =>
  Object.assign(new Account(), { id, label: 'old', secret })

/** InnoDB chooses the transaction that changed fewer rows. */
const MANY = Array.from({ length: 20 }, (_, index) => account(100 + index))

const settings: Record<string, Partial<KmsEncryptionOptions>> = {
  'data keys in the values': {},
  'stored data keys, made in the transaction': { dataKeys: 'stored' },
}

describeDatabases(
  'A transaction that the database rolls back for a deadlock',
  (db) => {
    describe.each(Object.entries(settings))('with %s', (_, options) => {
      let application: TestApplication
      let dataSource: DataSource

      beforeAll(async () => {
        // No second connection on which a data key could be stored beforehand.
        application = await startApplication(db(), [Account], options, { poolSize: 1 })
        ;({ dataSource } = application)
      })
      afterAll(() => application.stop())
      beforeEach(async () => {
        await dataSource.getRepository(Account).clear()
        await dataSource.getRepository(Account).save([account(1), account(2), account(3), ...MANY])
      })

      const isWaiting = async (): Promise<boolean> => {
        // What the server shows is made anew where nobody looked for a tenth of a second.
        await sleep(200)
        const rows = await db().rawQuery(
          "SELECT 1 FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'",
        )
        return rows.length > 0
      }

      /** Another transaction waits for row 2, and `work` is to wait for row 1. Gives what the transaction ends with. */
      const deadlock = async (work: (manager: EntityManager) => Promise<unknown>): Promise<unknown> => {
        const { dataSource: elsewhere } = await application.restart()
        const other = elsewhere.createQueryRunner()
        await other.startTransaction()
        await other.query("UPDATE account SET label = 'other' WHERE id >= 100 OR id = 1")
        let blocked: Promise<unknown> | undefined
        const outcome = await dataSource
          .transaction(async (manager) => {
            await manager.update(Account, 2, { secret: 'new' })
            blocked = other.query("UPDATE account SET label = 'other' WHERE id = 2")
            while (!(await isWaiting()));
            return work(manager)
          })
          .catch((error: unknown) => error)
        await blocked
        await other.rollbackTransaction()
        await other.release()
        await elsewhere.destroy()
        return outcome
      }

      const expectUntouched = async (): Promise<void> => {
        const rows = await dataSource.getRepository(Account).findBy([{ id: 1 }, { id: 2 }, { id: 3 }])
        expect(rows).toEqual([account(1), account(2), account(3)])
      }

      test('leaves the rows as they were whose statements were on their way', async () => {
        // TypeORM sends the statements of a save side by side.
        const error = await deadlock((manager) => manager.save([account(1, 'new'), account(3, 'new')]))
        expect(error).toMatchObject({ code: 'ER_LOCK_DEADLOCK' })
        await expectUntouched()
      })

      test('stores no encrypted value any more, if the application goes on', async () => {
        const error = await deadlock(async (manager) => {
          const { code } = await failure(manager.update(Account, 1, { secret: 'new' }))
          expect(code).toBe('ER_LOCK_DEADLOCK')
          return manager.update(Account, 3, { secret: 'new' })
        })
        expect(error).toMatchObject({ code: 'TRANSACTION_LOST', kind: 'service' })
        await expectUntouched()
      })
    })

    test('is told from one that goes on after a statement that failed', async () => {
      const application = await startApplication(db(), [Account])
      const { dataSource } = application
      await dataSource.getRepository(Account).save(account(1))
      await dataSource.transaction(async (manager) => {
        // Side by side, and one after the other.
        const outcomes = await Promise.allSettled([
          manager.insert(Account, account(2)),
          manager.insert(Account, account(1, 'again')),
          manager.insert(Account, account(3)),
        ])
        expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
        await failure(manager.insert(Account, account(1, 'again')))
        await manager.insert(Account, account(4))
      })
      const rows = await dataSource.getRepository(Account).find({ order: { id: 'ASC' } })
      expect(rows).toEqual([account(1), account(2), account(3), account(4)])
      await application.stop()
    })
  },
  { databases: ['mariadb'] },
)
