import { setTimeout as delay } from 'node:timers/promises'
import { Column, type DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { Account, accounts, timed } from './support'

@Entity()
class Product {
  @PrimaryGeneratedColumn() id!: number
  @Column() name!: string
}

const TIMEOUT = 1_200
/** What a busy machine may add. */
const SLACK = 1_000

jest.setTimeout(60_000)

describeDatabases(
  'A pool of 5 connections while KMS hangs',
  (db) => {
    let app: TestApplication
    let dataSource: DataSource

    beforeAll(async () => {
      app = await startApplication(db(), [Account, Product], { timeout: TIMEOUT }, { poolSize: 5 })
      await app.dataSource.getRepository(Account).insert(accounts(20))
      await app.dataSource.getRepository(Product).insert({ name: 'a plain row' })
    })
    beforeEach(async () => {
      // No data key in memory.
      dataSource = (await app.restart()).dataSource
      await Promise.all(Array.from({ length: 5 }, () => dataSource.query('SELECT 1')))
      app.kms.misbehave({ outage: 'hang' })
      app.kms.calls.reset()
    })
    afterEach(() => {
      app.kms.misbehave({})
    })
    afterAll(() => app.stop())

    /** A client of the application that does the same again and again: how long each time took. */
    async function repeat(until: number, work: () => Promise<unknown>): Promise<number[]> {
      const times: number[] = []
      while (performance.now() < until) {
        times.push((await timed(work())).took)
        await delay(5)
      }
      return times
    }

    const longest = (times: number[]): number => Math.max(...times)

    it('tables without encrypted columns wait for one time-out at most, and from then on for nothing', async () => {
      const products = dataSource.getRepository(Product)
      const began = performance.now()
      const end = began + 3 * TIMEOUT
      // More than there are connections, each of which waits for KMS with its connection in hand.
      const readers = Array.from({ length: 10 }, () =>
        repeat(end, () => dataSource.getRepository(Account).find()),
      )
      const first = timed(products.find())
      await delay(TIMEOUT + SLACK)
      const later = repeat(end, () => products.findOneByOrFail({ id: 1 }))
      const { took, error } = await first
      expect(error).toBeUndefined()
      expect(took).toBeLessThan(TIMEOUT + SLACK)
      expect(longest(await later)).toBeLessThan(TIMEOUT / 2)
      for (const times of await Promise.all(readers)) expect(longest(times)).toBeLessThan(TIMEOUT + SLACK)
    })

    it('each request that needs KMS ends within one time-out, and all but one at a time end at once', async () => {
      const end = performance.now() + 3 * TIMEOUT
      const times = (
        await Promise.all(
          Array.from({ length: 10 }, () => repeat(end, () => dataSource.getRepository(Account).find())),
        )
      ).flat()
      expect(longest(times)).toBeLessThan(TIMEOUT + SLACK)
      // The first of each client, and one at a time from then on.
      const long = times.filter((took) => took > TIMEOUT / 2)
      expect(long.length).toBeLessThanOrEqual(10 + 2)
      expect(times.length).toBeGreaterThan(10 + 2 + 10)
      // All rows have one data key: one call at first, and one for each attempt after a pause.
      expect(app.kms.calls.count()).toBeLessThanOrEqual(3)
    })

    it('transactions are rolled back within one time-out, and their connections are free again', async () => {
      const began = performance.now()
      const results = await Promise.all(
        Array.from({ length: 5 }, () =>
          timed(
            dataSource.transaction(async (manager) => {
              await manager.insert(Product, { name: 'is rolled back' })
              await manager.save(Account, accounts(1))
            }),
          ),
        ),
      )
      for (const { took, error } of results) {
        expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
        expect(took).toBeLessThan(TIMEOUT + SLACK)
      }
      expect(await dataSource.getRepository(Product).count()).toBe(1)
      expect(performance.now() - began).toBeLessThan(TIMEOUT + 2 * SLACK)
    })

    it('heals by itself within a second when KMS answers again', async () => {
      const accountRows = dataSource.getRepository(Account)
      await timed(accountRows.find())
      app.kms.misbehave({})
      const healed = performance.now()
      while ((await timed(accountRows.find())).error) await delay(10)
      expect(performance.now() - healed).toBeLessThan(TIMEOUT + SLACK)
    })
  },
  { databases: ['mariadb', 'postgres'] },
)
