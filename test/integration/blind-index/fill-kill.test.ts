import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type LocalKmsServer } from 'typeorm-kms-encrypted/local-kms'
import { columnStatus, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases, itWithInstalledTypeorm } from '../../support/databases'
import { startApplication, type TestApplication, withIndexKey } from '../../support/encryption'
import { LOADER } from '../../support/loader'
import { Filled } from './filled'

/** `FILL_ROWS=1000000 FILL_KILLS=50` is what the promise is made for. */
const ROWS = Number(process.env['FILL_ROWS'] ?? 600)
const KILLS = Number(process.env['FILL_KILLS'] ?? 1)
/** Milliseconds that a fill lives after its first batch, at most. */
const LIFE = process.env['FILL_KILLS'] === undefined ? 50 : 2_000
/** Rows have their values in turn. */
const DIFFERENT = Math.min(ROWS, 1_000)

const itOnce = itWithInstalledTypeorm('The fill that is killed')

describeDatabases(
  'A fill of a blind index that is killed while the application writes',
  (db) => {
    let app: TestApplication
    let server: LocalKmsServer
    let indexKey: string
    const written = new Map<number, string>()
    const original = (id: number): string => `${id % DIFFERENT}@example.org`

    beforeAll(async () => {
      app = await startApplication(db(), [Filled], async (kms) => {
        const given = await withIndexKey(kms)
        indexKey = given.indexKey
        return given
      })
      server = await app.kms.listen()
      const rows = Array.from({ length: DIFFERENT }, (_, id) => ({ id, email: original(id) }))
      await app.dataSource.getRepository(Filled).insert(rows)
      await db().rawQuery('UPDATE filled SET email_index = NULL')
      // The same ciphertexts in all other rows.
      for (let rows = DIFFERENT; rows < ROWS; rows *= 2) {
        await db().rawQuery(
          `INSERT INTO filled (id, email) SELECT id + ${rows}, email FROM filled WHERE id < ${ROWS - rows}`,
        )
      }
    })
    afterAll(async () => {
      await server.close()
      await app.stop()
    })

    /** Fills; ends by itself, or is killed so many milliseconds after its first batch. */
    async function fill(killAfter?: number): Promise<NodeJS.Signals | number> {
      const task = { options: db().options, endpoint: server.url, indexKey, killAfter }
      const child = spawn(process.execPath, [...LOADER, join(__dirname, 'fill-in-child.ts')], {
        env: { ...process.env, CHILD_TASK: JSON.stringify(task) },
        stdio: ['ignore', 'ignore', 'inherit'],
      })
      const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
      return signal ?? code!
    }

    /** The application: writes random rows until it is told to stop. */
    async function runApplication(signal: AbortSignal): Promise<void> {
      const filled = app.dataSource.getRepository(Filled)
      while (!signal.aborted) {
        const id = Math.floor(Math.random() * ROWS)
        const email = `written ${written.size % 50}@example.org`
        await filled.update({ id }, { email })
        written.set(id, email)
        await sleep(2)
      }
    }

    itOnce(
      `skips and loses none of ${ROWS.toLocaleString('en')} rows, killed ${KILLS} times`,
      async () => {
        const started = performance.now()
        const stop = new AbortController()
        const running = runApplication(stop.signal)
        for (let kill = 0; kill < KILLS; kill++) expect(await fill(Math.random() * LIFE)).toBe('SIGKILL')
        const missing = async () => {
          const { indexes } = await columnStatus(app.dataSource, Filled, 'email')
          return indexes[0]?.missing
        }
        const left = await missing()
        expect(left).toBeGreaterThan(0)
        expect(left).toBeLessThan(ROWS)
        expect(await fill()).toBe(0)
        stop.abort()
        await running
        expect(written.size).toBeGreaterThan(0)
        expect(await missing()).toBe(0)

        const expected = new Map<string, number>()
        const count = (email: string, by: number) => expected.set(email, (expected.get(email) ?? 0) + by)
        for (let id = 0; id < ROWS; id++) count(written.get(id) ?? original(id), 1)
        const hashes = new Map<string, number>()
        for (const [email, rows] of expected)
          hashes.set((await app.encryption.indexOf(Filled, 'email', email)).toString('hex'), rows)
        const found = await db().rawQuery(
          'SELECT email_index AS hash, COUNT(*) AS n FROM filled GROUP BY email_index',
        )
        expect(new Map(found.map(({ hash, n }) => [(hash as Buffer).toString('hex'), Number(n)]))).toEqual(
          hashes,
        )
        expect(await verifyColumns(app.dataSource, Filled, ['email'])).toMatchObject([
          { failed: 0, rows: ROWS },
        ])
        if (process.env['FILL_ROWS']) {
          const seconds = Math.round((performance.now() - started) / 1_000)
          process.stdout.write(
            `${db().name}: ${ROWS} rows, ${KILLS} kills, ${written.size} rows written meanwhile, ${left ?? 0} left for the last run, ${seconds} s\n`,
          )
        }
      },
      300_000 + KILLS * 60_000 + ROWS,
    )
  },
  { databases: ['mariadb', 'postgres'] },
)
