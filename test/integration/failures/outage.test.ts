import { setTimeout as delay } from 'node:timers/promises'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { Account, accounts, DirectAccount, Load, timed } from './support'

/*
 * An outage of 30 seconds beside a maxAge of 5 minutes, with time scaled down: outages of about a second, and a
 * maxAge that is shorter or longer than that.
 */
const OUTAGE = 800

describeDatabases(
  'An outage of KMS',
  (db) => {
    let app: TestApplication

    beforeAll(async () => {
      app = await startApplication(db(), [Account, DirectAccount])
    })
    afterEach(() => {
      app.kms.misbehave({})
    })
    afterAll(() => app.stop())

    it('is not noticed where the data keys in memory outlast it', async () => {
      const { dataSource } = await app.restart()
      await dataSource.getRepository(Account).insert(accounts(1))
      app.kms.misbehave({ outage: true })
      const load = new Load(dataSource)
      await delay(OUTAGE)
      await load.stop()
      expect(Object.keys(load.outcomes('write'))).toEqual(['ok'])
      expect(Object.keys(load.outcomes('read'))).toEqual(['ok'])
    })

    it('that lasts longer than maxAge fails reads and writes at once, and heals by itself', async () => {
      const { dataSource } = await app.restart({ cache: { maxAge: 250 } })
      const load = new Load(dataSource)
      await load.until('ok')
      const began = performance.now()
      app.kms.misbehave({ outage: true })
      await delay(OUTAGE)
      await load.until('KMS_UNAVAILABLE', began + 270)
      app.kms.misbehave({})
      const ended = performance.now()
      await load.until('ok', ended + 50)
      await load.stop()
      for (const kind of ['read', 'write'] as const) {
        expect(Object.keys(load.outcomes(kind, began + 270, ended))).toEqual(['KMS_UNAVAILABLE'])
        expect(Object.keys(load.outcomes(kind, ended + 50))).toEqual(['ok'])
      }
      expect(load.longest).toBeLessThan(2_000)
    })

    it('is followed by one call per data key, however many rows wait for it', async () => {
      await app.dataSource.getRepository(Account).insert(accounts(5))
      const [{ id }] = (await app.dataSource.getRepository(Account).find({ take: 1 })) as [Account]
      const { dataSource } = await app.restart({ timeout: 400 })
      const repository = dataSource.getRepository(Account)
      app.kms.misbehave({ outage: 'hang' })
      const waiting = Array.from({ length: 200 }, () => timed(repository.findOneByOrFail({ id })))
      await delay(200)
      app.kms.calls.reset()
      app.kms.misbehave({})
      // Those that had a connection to the database by then wait for the call that hangs; the others come later.
      const results = await Promise.all(waiting)
      const failed = results.filter(({ error }) => error !== undefined)
      expect(failed.length).toBeGreaterThan(1)
      for (const { error } of failed) expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
      expect(results.length - failed.length).toBeGreaterThan(100)
      expect(app.kms.calls.count()).toBe(1)
    })
  },
  { databases: ['mariadb'] },
)

describeDatabases(
  'A connection to KMS that hangs',
  (db) => {
    let app: TestApplication

    beforeAll(async () => {
      app = await startApplication(db(), [Account, DirectAccount])
      await app.dataSource.getRepository(DirectAccount).insert(accounts(100))
    })
    afterEach(() => {
      app.kms.misbehave({})
    })
    afterAll(() => app.stop())

    it('ends after the timeout option, with a client that knows no time-out', async () => {
      const { dataSource } = await app.restart({ timeout: 250 })
      app.kms.misbehave({ outage: 'hang' })
      const { took, error } = await timed(dataSource.getRepository(Account).insert(accounts(1)))
      expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE', entity: 'Account' })
      expect((error as Error).message).toContain('within 250 ms (the timeout option)')
      expect(took).toBeGreaterThan(240)
      expect(took).toBeLessThan(600)
      app.kms.misbehave({})
      await dataSource.getRepository(Account).insert(accounts(1))
    })

    it('ends for a hundred direct values, five times as many as are asked at once, as soon as for one', async () => {
      const { dataSource } = await app.restart({ timeout: 300, concurrency: 20 })
      app.kms.misbehave({ outage: 'hang' })
      const { took, error } = await timed(dataSource.getRepository(DirectAccount).find())
      expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
      expect(took).toBeLessThan(800)
    })

    it('is not taken for one where KMS is only slow and many wait', async () => {
      const { dataSource } = await app.restart({ timeout: 200, concurrency: 4 })
      app.kms.misbehave({ latency: 30 })
      // 100 values, 4 at once, 30 ms each: over three time-outs.
      const { took, error } = await timed(dataSource.getRepository(DirectAccount).find())
      expect(error).toBeUndefined()
      expect(took).toBeGreaterThan(600)
    })
  },
  { databases: ['mariadb'] },
)
