import { Entity, In, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { inTime, pass, startClock, stopClock, until } from '../support/clock'
import { describeDatabases } from '../support/databases'
import { startApplication, type TestApplication } from '../support/encryption'

@Entity()
class Note {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() text!: string
}

/** KMS takes so many milliseconds, and a data key is used for so many. */
const LATENCY = 50
const MAX_AGE = 1_000

/**
 * `TEST_STEADY_SECONDS=30` is the measurement: it runs so long, once with this `maxAge` and once with one of an hour,
 * and prints how long reads and writes took.
 */
const LONG = process.env['TEST_STEADY_SECONDS']
const DURATION = LONG ? Number(LONG) * 1_000 : 2_500

describeDatabases('Constant traffic, with data keys that expire all the time', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Note])
    app.kms.misbehave({ latency: LATENCY })
  })
  beforeEach(() => {
    if (!LONG) stopClock()
  })
  afterEach(startClock)
  afterAll(() => app.stop())

  /** Writes a note, and reads it and an old one, again and again. */
  async function traffic(maxAge: number): Promise<{ waits: number; took: number[] }> {
    const { dataSource, encryption } = await app.restart({ cache: { maxAge } })
    const notes = dataSource.getRepository(Note)
    const old = await inTime(app.dataSource.getRepository(Note).save({ text: 'old' }))
    const step = async (): Promise<void> => {
      const { id } = await notes.save({ text: 'new' })
      const found = await notes.findBy({ id: In([old.id, id]) })
      expect(found.map(({ text }) => text).sort()).toEqual(['new', 'old'])
    }
    await inTime(step())
    const { misses } = encryption.metrics().dataKeys
    const waits = (): number => encryption.metrics().dataKeys.misses - misses
    const took: number[] = []
    const end = performance.now() + DURATION
    while (performance.now() < end && waits() === 0) {
      const start = performance.now()
      // Time stands still meanwhile: who waits for KMS waits for ever.
      let isOver = false
      const stepping = step().finally(() => (isOver = true))
      await Promise.race([stepping, until(() => isOver || waits() > 0 || performance.now() > end)])
      took.push(performance.now() - start)
      await pass(LONG ? 2 : 20, 5)
    }
    return { waits: waits(), took }
  }

  it('has no request wait for KMS', async () => {
    const { waits, took } = await traffic(MAX_AGE)
    expect(waits).toBe(0)
    expect(took.length).toBeGreaterThan(10)
    expect(app.kms.calls.map(({ operation }) => operation)).toContain('GenerateDataKey')
    if (!LONG) return
    const hour = await traffic(3_600_000)
    for (const [name, times] of [
      ['maxAge 1 s', took],
      ['maxAge 1 h', hour.took],
    ] as const) {
      const sorted = times.toSorted((a, b) => a - b)
      const at = (part: number): string => (sorted[Math.floor((sorted.length - 1) * part)] ?? 0).toFixed(1)
      process.stdout.write(
        `${db().name}, ${name}: ${sorted.length} rounds, median ${at(0.5)} ms, 99.9 % ${at(0.999)} ms, slowest ${at(1)} ms\n`,
      )
    }
  })
})
