import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type DataSource } from 'typeorm'
import { type LocalKmsServer } from 'typeorm-kms-encrypted/local-kms'
import { columnStatus, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases, itWithInstalledTypeorm } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { LOADER } from '../../support/loader'
import { Letter } from './letter'
import { type RotateTask } from './rotate-in-child'

/** How often each conversion is killed. `TEST_KILLS=25` for both ways is the 50 of docs/migrations.md. */
const KILLS = Number(process.env['TEST_KILLS'] ?? 1)
const RATE = 1_000
const ROWS = 750 + KILLS * 250

const it = itWithInstalledTypeorm('The kill test of conversions')

describeDatabases('a conversion of data keys that is killed while the application writes', (db) => {
  let app: TestApplication
  let server: LocalKmsServer
  const expected = new Map<number, string>()

  beforeAll(async () => {
    app = await startApplication(db(), [Letter], { dataKeys: 'stored' })
    server = await app.kms.listen()
    const rows = Array.from({ length: ROWS }, (_, id) => ({ id, text: `original ${id} 🔑` }))
    for (const { id, text } of rows) expected.set(id, text)
    const { dataSource } = await app.restart({ dataKeys: 'inline' })
    await dataSource.getRepository(Letter).insert(rows)
  })
  afterAll(async () => {
    await server.close()
    await app.stop()
  })

  /** Converts; ends by itself, or is killed so many milliseconds after its first batch. */
  async function convert(
    dataKeys: RotateTask['dataKeys'],
    killAfter?: number,
  ): Promise<NodeJS.Signals | number | null> {
    const maxRate = killAfter === undefined ? 1_000_000 : RATE
    const task: RotateTask = { options: db().options, endpoint: server.url, dataKeys, maxRate, killAfter }
    const child = spawn(process.execPath, [...LOADER, join(__dirname, 'rotate-in-child.ts')], {
      env: { ...process.env, CHILD_TASK: JSON.stringify(task) },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    return signal ?? code
  }

  /** The application: writes and reads random rows until it is told to stop. Returns what it saw go wrong. */
  async function run(dataSource: DataSource, signal: AbortSignal): Promise<string[]> {
    const letters = dataSource.getRepository(Letter)
    const wrong: string[] = []
    for (let writes = 0; !signal.aborted; writes++) {
      const id = Math.floor(Math.random() * ROWS)
      const { text } = await letters.findOneByOrFail({ id })
      if (text !== expected.get(id)) wrong.push(`${id}: ${text}`)
      const next = `written ${writes} to ${id}`
      await letters.update({ id }, { text: next })
      expected.set(id, next)
      await sleep(2)
    }
    return wrong
  }

  it.each([
    ['stored', 'stored'],
    ['inline', 'envelope'],
  ] as const)(
    `to %s loses nothing, killed ${KILLS} times`,
    async (dataKeys, mode) => {
      const { dataSource } = await app.restart({ dataKeys })
      const stop = new AbortController()
      const running = run(dataSource, stop.signal)
      let kills = 0
      for (let attempt = 0; attempt < KILLS; attempt++) {
        if ((await convert(dataKeys, Math.random() * 200)) === 'SIGKILL') kills++
      }
      expect(await convert(dataKeys)).toBe(0)
      stop.abort()
      expect(await running).toEqual([])
      expect(kills).toBe(KILLS)
      const fresh = (await app.restart({ dataKeys })).dataSource
      const status = await columnStatus(fresh, Letter, 'text')
      expect(status).toMatchObject({ rows: ROWS, plaintext: 0, missing: 0, forgotten: 0 })
      expect(new Set(status.ciphertext.map((count) => count.mode))).toEqual(new Set([mode]))
      expect(await verifyColumns(fresh, Letter, ['text'])).toMatchObject([{ failed: 0, rows: ROWS }])
      const rows = await fresh.getRepository(Letter).find()
      expect(new Map(rows.map(({ id, text }) => [id, text]))).toEqual(new Map(expected))
    },
    300_000 + KILLS * 20_000,
  )
})
