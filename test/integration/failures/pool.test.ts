import { Column, type DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { pass, startClock, stopClock, until } from '../../support/clock'
import { describeDatabases, NEEDS_SERVER } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { Account, accounts, timed } from './support'

@Entity()
class Product {
  @PrimaryGeneratedColumn() id!: number
  @Column() name!: string
}

const POOL = 5
const TIMEOUT = 5_000
/** For which calls fail at once after a time-out, and for which the caller of the one that tries again waits. */
const [PAUSE, TRIAL] = [1_000, 250]

describeDatabases(
  'A pool of 5 connections while KMS hangs',
  (db) => {
    let app: TestApplication
    let dataSource: DataSource

    beforeAll(async () => {
      app = await startApplication(db(), [Account, Product], { timeout: TIMEOUT }, { poolSize: POOL })
      await app.dataSource.getRepository(Account).insert(accounts(20))
      await app.dataSource.getRepository(Product).insert({ name: 'a plain row' })
    })
    beforeEach(async () => {
      stopClock()
      // No data key in memory.
      dataSource = (await app.restart()).dataSource
      await Promise.all(Array.from({ length: POOL }, () => dataSource.query('SELECT 1')))
      app.kms.misbehave({ outage: 'hang' })
      app.kms.calls.reset()
    })
    afterEach(() => {
      app.kms.misbehave({})
      startClock()
    })
    afterAll(() => app.stop())

    /** Twice as many readers as there are connections; those that have one wait for KMS with it in hand. */
    const readers = () =>
      Array.from({ length: 2 * POOL }, () => timed(dataSource.getRepository(Account).find()))

    /** What is awaited here is awaited while time stands still. */
    it('tables without encrypted columns wait for one time-out at most, and from then on for nothing', async () => {
      const products = dataSource.getRepository(Product)
      const reading = readers()
      const first = products.find()
      await until(() => app.kms.calls.count() > 0)
      await pass(TIMEOUT)
      expect(await first).toHaveLength(1)
      for (const { took, error } of await Promise.all(reading)) {
        expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
        expect(took).toBe(TIMEOUT)
      }
      for (const { took } of await Promise.all(readers())) expect(took).toBe(0)
      await pass(PAUSE)
      // One tries again, and those wait with it who need the same data key.
      const trying = readers()
      const plain = timed(products.find())
      await until(() => app.kms.calls.count() === 2)
      await pass(TRIAL)
      for (const { took, error } of await Promise.all(trying)) {
        expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
        expect(took).toBeLessThanOrEqual(TRIAL)
      }
      expect((await plain).took).toBeLessThanOrEqual(TRIAL)
      // All rows have one data key: one call at first, and one for each attempt after a pause.
      expect(app.kms.calls.count()).toBe(2)
    })

    it('transactions are rolled back within one time-out, and their connections are free again', async () => {
      const writing = Array.from({ length: POOL }, () =>
        timed(
          dataSource.transaction(async (manager) => {
            await manager.insert(Product, { name: 'is rolled back' })
            await manager.save(Account, accounts(1))
          }),
        ),
      )
      await until(() => app.kms.calls.count() > 0)
      await pass(TIMEOUT)
      for (const { took, error } of await Promise.all(writing)) {
        expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
        expect(took).toBe(TIMEOUT)
      }
      expect(await dataSource.getRepository(Product).count()).toBe(1)
    })

    it('heals by itself within a second when KMS answers again', async () => {
      const accountRows = dataSource.getRepository(Account)
      const hanging = timed(accountRows.find())
      await until(() => app.kms.calls.count() > 0)
      app.kms.misbehave({})
      await pass(TIMEOUT)
      expect((await hanging).error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
      await pass(PAUSE)
      expect(await accountRows.find()).toHaveLength(20)
    })
  },
  { databases: ['mariadb', 'postgres'], without: NEEDS_SERVER },
)
