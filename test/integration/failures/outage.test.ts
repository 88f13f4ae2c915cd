import { setTimeout as delay } from 'node:timers/promises'
import { type DataSource } from 'typeorm'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { Account, accounts, DirectAccount, Holder, Load, Secret, timed } from './support'

/*
 * An outage of 30 seconds beside a maxAge of 5 minutes, with time scaled down: outages of about a second, and a
 * maxAge that is shorter or longer than that. `TEST_OUTAGE_SECONDS=30` is the real thing, on all databases.
 */
const LONG = process.env['TEST_OUTAGE_SECONDS']
const OUTAGE = LONG === undefined ? 800 : Number(LONG) * 1_000
/** Of the data keys that do not outlast it. */
const SHORT_AGE = OUTAGE * 0.3

jest.setTimeout(30_000 + 2 * OUTAGE)

describeDatabases(
  'An outage of KMS',
  (db) => {
    let app: TestApplication

    beforeAll(async () => {
      app = await startApplication(db(), [Account, DirectAccount, Holder, Secret])
    })
    afterEach(() => {
      app.kms.misbehave({})
    })
    afterAll(() => app.stop())

    /** Transactions on SQLite's one connection would be nested in each other. */
    const loadOf = (dataSource: DataSource) => new Load(dataSource, db().name === 'sqlite' ? 1 : 6)
    /** Prints what was measured, where somebody asked for it. */
    const print = (what: string): void => {
      if (LONG !== undefined) process.stdout.write(`${db().name}, outage of ${LONG} s, ${what}\n`)
    }

    it('is not noticed where the data keys in memory outlast it', async () => {
      const { dataSource } = await app.restart()
      await dataSource.getRepository(Account).insert(accounts(1))
      app.kms.misbehave({ outage: true })
      const load = loadOf(dataSource)
      await delay(OUTAGE)
      await load.stop()
      const [reads, writes] = [load.outcomes('read'), load.outcomes('write')]
      expect([Object.keys(reads), Object.keys(writes)]).toEqual([['ok'], ['ok']])
      print(
        `maxAge 300 s: ${reads['ok']} reads and ${writes['ok']} writes, none failed, ` +
          `the slowest took ${load.longest.toFixed(0)} ms`,
      )
    })

    it.each([
      ['a column in envelope mode', Account],
      ['a column in direct mode', DirectAccount],
    ])('leaves no rejection unhandled when a value is refused meanwhile: %s', async (_, Entity) => {
      const unhandled: unknown[] = []
      const collect = (reason: unknown): void => {
        unhandled.push(reason)
      }
      process.on('unhandledRejection', collect)
      try {
        const { manager } = (await app.restart()).dataSource
        app.kms.misbehave({ latency: 20, outage: true })
        const [good, bad] = accounts(2)
        const save = manager.save(Entity, [good!, { ...bad!, privateKey: 5 as unknown as string }])
        await expect(save).rejects.toMatchObject({ code: 'INVALID_VALUE' })
        await delay(200)
      } finally {
        process.off('unhandledRejection', collect)
      }
      expect(unhandled).toEqual([])
    })

    it('ends no process where the application caught that a lazy relation could not be loaded', async () => {
      const holder = await app.dataSource.getRepository(Holder).save({})
      await app.dataSource.getRepository(Secret).save({ holder, value: 'a' })
      const unhandled: unknown[] = []
      const collect = (reason: unknown): void => {
        unhandled.push(reason)
      }
      process.on('unhandledRejection', collect)
      try {
        const holders = (await app.restart()).dataSource.getRepository(Holder)
        app.kms.misbehave({ outage: true })
        const [first, second] = [await found(), await found()]
        await expect(first.secrets).rejects.toMatchObject({ kind: 'service' })
        await expect(second.secrets.catch((error: unknown) => error)).resolves.toMatchObject({
          kind: 'service',
        })
        await delay(50)
        expect(unhandled).toEqual([])
        app.kms.misbehave({})
        expect(await (await found()).secrets).toMatchObject([{ value: 'a' }])

        async function found(): Promise<Holder> {
          const [one] = await holders.find()
          if (!one) throw new Error('there is one')
          return one
        }
      } finally {
        process.off('unhandledRejection', collect)
      }
    })

    it('that lasts longer than maxAge fails reads and writes at once, and heals by itself', async () => {
      // A client as the application has it, which repeats what fails.
      const client = app.kms.client()
      const { dataSource } = await app.restart({ client, cache: { maxAge: SHORT_AGE } })
      const load = loadOf(dataSource)
      await load.until('ok')
      const began = performance.now()
      app.kms.misbehave({ outage: true })
      await delay(OUTAGE)
      await load.until('KMS_UNAVAILABLE', began + SHORT_AGE + 20)
      app.kms.misbehave({})
      app.kms.calls.reset()
      const ended = performance.now()
      await load.until('ok', ended)
      const healed = performance.now()
      await load.until('ok', ended + 50)
      await load.stop()
      const stopped = performance.now()
      for (const kind of ['read', 'write'] as const) {
        expect(Object.keys(load.outcomes(kind, began + SHORT_AGE + 20, ended))).toEqual(['KMS_UNAVAILABLE'])
        // Until then some wait for a call that had failed already.
        expect(Object.keys(load.outcomes(kind, ended + 50))).toEqual(['ok'])
      }
      expect(load.longest).toBeLessThan(2_000)
      const [keys, decrypts] = ['GenerateDataKey', 'Decrypt'].map((name) => app.kms.calls.count(name))
      // One data key to write with, and another when that is too old; those to read with are of different ages.
      expect(keys).toBeGreaterThan(0)
      expect(keys).toBeLessThanOrEqual(1 + Math.floor((stopped - ended) / SHORT_AGE))
      const cached = ['read', 'write'].map((kind) => load.outcomes(kind as 'read', began, ended)['ok'] ?? 0)
      const failed = load.attempts.filter(({ outcome }) => outcome !== 'ok')
      const slowest = Math.max(...failed.map(({ started, ended: until }) => until - started))
      print(
        `maxAge ${SHORT_AGE / 1_000} s: ${cached[0]} reads and ${cached[1]} writes under cached keys, ` +
          `then ${failed.length} failed, the slowest after ${slowest.toFixed(0)} ms; when it ended: ` +
          `${keys} GenerateDataKey, ${decrypts} Decrypt, all well within ${(healed - ended).toFixed(0)} ms`,
      )
      client.destroy()
    })
  },
  LONG === undefined ? { databases: ['mariadb'] } : {},
)

describeDatabases(
  'A connection to KMS that hangs',
  (db) => {
    let app: TestApplication

    beforeAll(async () => {
      app = await startApplication(db(), [Account, DirectAccount, Holder, Secret])
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
      // Calls fail at once for a moment, here for as long as the time-out.
      const healed = performance.now()
      while ((await timed(dataSource.getRepository(Account).insert(accounts(1)))).error) await delay(10)
      expect(performance.now() - healed).toBeLessThan(600)
    })

    it('ends for a hundred direct values, five times as many as are asked at once, as soon as for one', async () => {
      const { dataSource } = await app.restart({ timeout: 300, concurrency: 20 })
      app.kms.misbehave({ outage: 'hang' })
      const { took, error } = await timed(dataSource.getRepository(DirectAccount).find())
      expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
      expect(took).toBeLessThan(800)
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
      // Those that had a connection to the database by then wait for the call that hangs. Of the others some fail at
      // once; none waits for a second time-out.
      const results = await Promise.all(waiting)
      const failed = results.filter(({ error }) => error !== undefined)
      expect(failed.length).toBeGreaterThan(1)
      for (const { error } of failed) expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
      await delay(400)
      const later = await Promise.all(
        Array.from({ length: 200 }, () => timed(repository.findOneByOrFail({ id }))),
      )
      for (const { error } of later) expect(error).toBeUndefined()
      expect(app.kms.calls.count()).toBe(1)
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
