import { type DataSource } from 'typeorm'
import { inTime, pass, startClock, stopClock, until } from '../../support/clock'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { Account, accounts, DirectAccount, Holder, Load, Secret, timed } from './support'

/*
 * An outage of 30 seconds beside a maxAge of 5 minutes, or of a few seconds, on a clock that the test moves.
 * `TEST_OUTAGE_SECONDS=30` is the real thing, on all databases.
 */
const LONG = process.env['TEST_OUTAGE_SECONDS']
const OUTAGE = Number(LONG ?? 30) * 1_000
/** Of the data keys that do not outlast it. */
const SHORT_AGE = OUTAGE * 0.3

jest.setTimeout(300_000 + 2 * OUTAGE)

beforeEach(() => {
  if (LONG === undefined) stopClock()
})
afterEach(startClock)

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
      await pass(OUTAGE, 1_000)
      await load.until('ok', await load.turn())
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
        await expect(inTime(save)).rejects.toMatchObject({ code: 'INVALID_VALUE' })
        await pass(200, 1)
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
        await pass(50, 1)
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
      const before = load.attempts.length
      app.kms.misbehave({ outage: true })
      const began = performance.now()
      await inTime(load.turn())
      // Data keys are as old as the outage now, or older.
      await pass(SHORT_AGE + 1, 100)
      const expired = await inTime(load.turn())
      await inTime(load.until('KMS_UNAVAILABLE', expired))
      await pass(Math.max(0, began + OUTAGE - performance.now()), 100)
      app.kms.calls.reset()
      app.kms.misbehave({})
      const [ended, healing] = [performance.now(), load.attempts.length]
      // Until then some wait for a call that had failed already.
      await inTime(load.until('ok', await inTime(load.turn())))
      const healed = await inTime(load.turn())
      const took = performance.now() - ended
      await inTime(load.until('ok', healed))
      await inTime(load.stop())
      const stopped = performance.now()
      for (const kind of ['read', 'write'] as const) {
        expect(Object.keys(load.outcomes(kind, expired, healing))).toEqual(['KMS_UNAVAILABLE'])
        expect(Object.keys(load.outcomes(kind, healed))).toEqual(['ok'])
      }
      // Nobody waits for the time-out, which is twice as long. A database that is slow takes time on this clock, too.
      expect(load.longest).toBeLessThan(60_000)
      const [keys, decrypts] = ['GenerateDataKey', 'Decrypt'].map((name) => app.kms.calls.count(name))
      // One data key to write with, and another when that is nearly too old; those to read with are of different ages.
      expect(keys).toBeGreaterThan(0)
      expect(keys).toBeLessThanOrEqual(1 + Math.floor((stopped - ended) / (SHORT_AGE * 0.75)))
      const cached = ['read', 'write'].map(
        (kind) => load.outcomes(kind as 'read', before, expired)['ok'] ?? 0,
      )
      const failed = load.attempts.filter(({ outcome }) => outcome !== 'ok')
      const slowest = Math.max(...failed.map((attempt) => attempt.took))
      print(
        `maxAge ${SHORT_AGE / 1_000} s: ${cached[0]} reads and ${cached[1]} writes under cached keys, ` +
          `then ${failed.length} failed, the slowest after ${slowest.toFixed(0)} ms; when it ended: ` +
          `${keys} GenerateDataKey, ${decrypts} Decrypt, all well within ${took.toFixed(0)} ms`,
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
      const { dataSource } = await app.restart({ timeout: 2_500 })
      const insert = () => timed(dataSource.getRepository(Account).insert(accounts(1)))
      app.kms.misbehave({ outage: 'hang' })
      const inserting = insert()
      await until(() => app.kms.calls.count() > 0)
      await pass(2_500)
      const { took, error } = await inserting
      expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE', entity: 'Account' })
      expect((error as Error).message).toContain('within 2,500 ms (the timeout option)')
      expect(took).toBeGreaterThanOrEqual(2_500)
      app.kms.misbehave({})
      // Calls fail at once for a second.
      expect((await insert()).error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
      await pass(1_000)
      expect((await insert()).error).toBeUndefined()
    })

    it('ends for a hundred direct values, five times as many as are asked at once, as soon as for one', async () => {
      const { dataSource } = await app.restart({ timeout: 2_500, concurrency: 20 })
      app.kms.calls.reset()
      app.kms.misbehave({ outage: 'hang' })
      const finding = timed(dataSource.getRepository(DirectAccount).find())
      await until(() => app.kms.calls.count() === 20)
      await pass(2_500)
      expect((await finding).error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
      expect(app.kms.calls.count()).toBe(20)
    })

    it('is followed by one call per data key, however many rows wait for it', async () => {
      await app.dataSource.getRepository(Account).insert(accounts(5))
      const [{ id }] = (await app.dataSource.getRepository(Account).find({ take: 1 })) as [Account]
      const { dataSource } = await app.restart({ timeout: 2_500 })
      const repository = dataSource.getRepository(Account)
      const read = () => Array.from({ length: 200 }, () => timed(repository.findOneByOrFail({ id })))
      app.kms.calls.reset()
      app.kms.misbehave({ outage: 'hang' })
      const waiting = read()
      await until(() => app.kms.calls.count() > 0)
      app.kms.misbehave({})
      await pass(2_500)
      // Those that had a connection to the database by then waited for the call that hangs. The others fail at once.
      for (const { error } of await Promise.all(waiting))
        expect(error).toMatchObject({ code: 'KMS_UNAVAILABLE' })
      await pass(1_000)
      expect(app.kms.calls.count()).toBe(1)
      for (const { error } of await Promise.all(read())) expect(error).toBeUndefined()
      expect(app.kms.calls.count()).toBe(2)
    })

    it('is not taken for one where KMS is only slow and many wait', async () => {
      const { dataSource } = await app.restart({ timeout: 200, concurrency: 4 })
      app.kms.misbehave({ latency: 30 })
      // 100 values, 4 at once, 30 ms each: over three time-outs.
      const { took, error } = await timed(inTime(dataSource.getRepository(DirectAccount).find()))
      expect(error).toBeUndefined()
      expect(took).toBeGreaterThan(600)
    })
  },
  { databases: ['mariadb'] },
)
