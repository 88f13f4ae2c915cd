import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type LocalKmsServer } from 'typeorm-kms-encrypted/local-kms'
import { columnStatus, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { type DatabaseChoice, describeDatabases, itWithInstalledTypeorm } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { LOADER } from '../../support/loader'
import { Account } from './account'
import { ForeignAccount } from './foreign-account'
import { byPrisma, byTypeormEncrypted } from './foreign-values'

/** How often the encryption is killed. The figures in docs/migrations.md are from 50. */
const MANY = process.env['TEST_KILLS']
const KILLS = Number(MANY ?? 2)
const RATE = 1_000
const ROWS = KILLS * 250

const itOnce = itWithInstalledTypeorm('The kill test')

type Written = (value: string) => string | Buffer | Promise<string>

/** The columns of an entity, and how the values were stored before. */
interface Case {
  readonly entity: typeof Account | typeof ForeignAccount
  readonly columns: Readonly<Record<string, Written>>
  readonly choice?: DatabaseChoice
}

const CASES: Record<string, Case> = {
  plaintext: { entity: Account, columns: { secret: (value) => Buffer.from(value) } },
  'what other libraries encrypted': {
    entity: ForeignAccount,
    columns: { typeorm: byTypeormEncrypted, prisma: byPrisma },
    choice: MANY === undefined ? { databases: ['mariadb'] } : {},
  },
}

describe.each(Object.entries(CASES))('of %s', (_, { entity, columns, choice }) => {
  describeDatabases(
    'an encryption that is killed while the application writes',
    (db) => {
      let app: TestApplication
      let server: LocalKmsServer
      const names = Object.keys(columns)
      const expected = new Map<number, Record<string, string>>()

      beforeAll(async () => {
        app = await startApplication(db(), [entity])
        server = await app.kms.listen()
        const { tableName } = app.dataSource.getMetadata(entity)
        const into = ['id', ...names].map((name) => db().quote(name)).join(', ')
        for (let first = 0; first < ROWS; first += 500) {
          const rows = Array.from({ length: Math.min(500, ROWS - first) }, (_, index) => first + index)
          const values: unknown[] = []
          for (const id of rows) {
            const row = Object.fromEntries(names.map((name) => [name, `original ${name} of ${id} 🔑`]))
            expected.set(id, row)
            values.push(id)
            for (const name of names) values.push(await columns[name]!(row[name]!))
          }
          const row = `(${['id', ...names].map(() => '?').join(', ')})`
          await db().rawQuery(
            `INSERT INTO ${db().quote(tableName)} (${into}) VALUES ${rows.map(() => row).join(', ')}`,
            values,
          )
        }
      })
      afterAll(async () => {
        await server.close()
        await app.stop()
      })

      /** Encrypts; ends by itself, or is killed so many milliseconds after its first batch. */
      async function encrypt(order: readonly string[], killAfter?: number): Promise<NodeJS.Signals | number> {
        const task = {
          options: db().options,
          endpoint: server.url,
          maxRate: killAfter === undefined ? 1_000_000 : RATE,
          killAfter,
          columns: order,
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
        const accounts = app.dataSource.getRepository<{ id: number }>(entity)
        const wrong: string[] = []
        let writes = 0
        while (!signal.aborted) {
          const id = Math.floor(Math.random() * ROWS)
          const found = await accounts.findOneByOrFail({ id })
          const row = expected.get(id)!
          for (const name of names) if (Reflect.get(found, name) !== row[name]) wrong.push(`${name} of ${id}`)
          const name = names[writes % names.length]!
          const next = `written ${writes++} to ${id}`
          await accounts.update({ id }, { [name]: next })
          row[name] = next
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
            // Each column is the first in its turn, and so the one that is being encrypted.
            const order = [...names.slice(attempt % names.length), ...names.slice(0, attempt % names.length)]
            if ((await encrypt(order, Math.random() * 200)) === 'SIGKILL') kills++
          }
          const left = await Promise.all(names.map((name) => columnStatus(app.dataSource, entity, name)))
          expect(await encrypt(names)).toBe(0)
          stop.abort()
          const { wrong, writes } = await running
          expect(wrong).toEqual([])
          expect(writes).toBeGreaterThan(0)
          expect(kills).toBe(KILLS)
          for (const { ciphertext } of left) expect(ciphertext.length).toBeGreaterThan(0)
          if (MANY) {
            const before = left.map(({ plaintext }) => plaintext).join(' and ')
            console.info(
              `${db().name}: ${kills} kills, ${writes} writes, ${before} of ${ROWS} rows left for the last run`,
            )
          }

          for (const name of names) {
            expect(await columnStatus(app.dataSource, entity, name)).toMatchObject({
              plaintext: 0,
              rows: ROWS,
            })
          }
          for (const verified of await verifyColumns(app.dataSource, entity, names))
            expect(verified).toMatchObject({ failed: 0, notCiphertext: 0, rows: ROWS })
          const rows = await app.dataSource.getRepository<{ id: number }>(entity).find()
          expect(new Map(rows.map(({ id, ...values }) => [id, values]))).toEqual(expected)
        },
        300_000 + KILLS * 20_000,
      )
    },
    choice,
  )
})
