import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type LocalKmsServer } from 'typeorm-kms-encrypted/local-kms'
import { columnStatus, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases, itWithInstalledTypeorm } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { Account } from './account'
import { LOADER } from '../../support/loader'

/** How often the encryption is killed. The figures in docs/migrations.md are from 50. */
const KILLS = Number(process.env['TEST_KILLS'] ?? 2)
const RATE = 1_000
const ROWS = KILLS * 250

const itOnce = itWithInstalledTypeorm('The kill test')

describeDatabases('an encryption that is killed while the application writes', (db) => {
  let app: TestApplication
  let server: LocalKmsServer
  const expected = new Map<number, string>()

  beforeAll(async () => {
    app = await startApplication(db(), [Account])
    server = await app.kms.listen()
    for (let first = 0; first < ROWS; first += 500) {
      const rows = Array.from({ length: Math.min(500, ROWS - first) }, (_, index) => first + index)
      for (const id of rows) expected.set(id, `original ${id} 🔑`)
      const values = rows.flatMap((id) => [id, Buffer.from(expected.get(id)!)])
      await db().rawQuery(
        `INSERT INTO ${db().quote('account')} (id, secret) VALUES ${rows.map(() => '(?, ?)').join(', ')}`,
        values,
      )
    }
  })
  afterAll(async () => {
    await server.close()
    await app.stop()
  })

  /** Encrypts; ends by itself, or is killed so many milliseconds after its first batch. */
  async function encrypt(killAfter?: number): Promise<NodeJS.Signals | number> {
    const task = {
      options: db().options,
      endpoint: server.url,
      maxRate: killAfter === undefined ? 1_000_000 : RATE,
      killAfter,
    }
    const child = spawn(process.execPath, [...LOADER, join(__dirname, 'encrypt-in-child.ts')], {
      env: { ...process.env, CHILD_TASK: JSON.stringify(task) },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    return signal ?? code!
  }

  /** The application: writes and reads random rows until it is told to stop. Returns what it saw go wrong. */
  async function runApplication(signal: AbortSignal): Promise<{ wrong: string[]; writes: number }> {
    const accounts = app.dataSource.getRepository(Account)
    const wrong: string[] = []
    let writes = 0
    while (!signal.aborted) {
      const id = Math.floor(Math.random() * ROWS)
      const { secret } = await accounts.findOneByOrFail({ id })
      if (secret !== expected.get(id)) wrong.push(`${id}: ${secret}`)
      const next = `written ${writes++} to ${id}`
      await accounts.update({ id }, { secret: next })
      expected.set(id, next)
      await sleep(2)
    }
    return { wrong, writes }
  }

  itOnce(
    `loses nothing, killed ${KILLS} times`,
    async () => {
      const stop = new AbortController()
      const running = runApplication(stop.signal)
      let kills = 0
      for (let attempt = 0; attempt < KILLS; attempt++) {
        if ((await encrypt(Math.random() * 200)) === 'SIGKILL') kills++
      }
      const left = await columnStatus(app.dataSource, Account, 'secret')
      expect(await encrypt()).toBe(0)
      stop.abort()
      const { wrong, writes } = await running
      expect(wrong).toEqual([])
      expect(writes).toBeGreaterThan(0)
      expect(kills).toBe(KILLS)
      expect(left.ciphertext.length).toBeGreaterThan(0)
      if (process.env['TEST_KILLS']) {
        console.info(
          `${db().name}: ${kills} kills, ${writes} writes, ${left.plaintext} of ${ROWS} rows left for the last run`,
        )
      }

      expect(await columnStatus(app.dataSource, Account, 'secret')).toMatchObject({
        plaintext: 0,
        rows: ROWS,
      })
      expect(await verifyColumns(app.dataSource, Account, ['secret'])).toMatchObject([
        { failed: 0, rows: ROWS },
      ])
      const rows = await app.dataSource.getRepository(Account).find()
      expect(new Map(rows.map(({ id, secret }) => [id, secret]))).toEqual(new Map(expected))
    },
    300_000 + KILLS * 20_000,
  )
})
