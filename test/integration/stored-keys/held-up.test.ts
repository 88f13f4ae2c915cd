import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type LocalKmsServer } from 'typeorm-kms-encrypted/local-kms'
import { columnStatus } from 'typeorm-kms-encrypted/migration'
import { describeDatabases, itWithInstalledTypeorm } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { LOADER } from '../../support/loader'
import { type HeldUpAt, type HeldUpTask } from './held-up-writer'
import { Letter } from './letter'

const LEASE = 300
const it = itWithInstalledTypeorm('The writer that is held up')

describeDatabases('A writer that is held up while its data key is forgotten', (db) => {
  let app: TestApplication
  let server: LocalKmsServer

  beforeEach(async () => {
    app = await startApplication(db(), [Letter], { dataKeys: { lease: LEASE } })
    server = await app.kms.listen()
  })
  afterEach(async () => {
    await server.close()
    await app.stop()
  })

  function startWriter(heldUpAt: HeldUpAt) {
    const task: HeldUpTask = { options: db().options, endpoint: server.url, lease: LEASE, heldUpAt }
    const child = spawn(process.execPath, [...LOADER, join(__dirname, 'held-up-writer.ts')], {
      env: { ...process.env, CHILD_TASK: JSON.stringify(task) },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const line = async (): Promise<string> => String((await lines.next()).value)
    return { child, line }
  }

  it.each<[HeldUpAt, number]>([
    ['INSERT', 1],
    // Nothing takes these back; whoever wrote them is told.
    ['COMMIT', 2],
    ['bare INSERT', 2],
  ])(
    'before its %s is told that the value is forgotten, and nothing is lost in silence',
    async (at, rows) => {
      if (db().name === 'sqlite' && at !== 'bare INSERT') {
        // A writer that is stopped in a transaction keeps the file locked.
        process.stdout.write(
          'A transaction that is held up is left out on SQLite: nobody else could write.\n',
        )
        return
      }
      const { child, line } = startWriter(at)
      expect(await line()).toBe('held up')
      const report = await app.encryption.forget({ table: 'letter' })
      expect(report).toMatchObject({ state: 'destroyed', rows: 1 })
      child.kill('SIGCONT')
      expect(await line()).toBe('FORGOTTEN')
      await once(child, 'exit')
      expect(await columnStatus(app.dataSource, Letter, 'text')).toMatchObject({
        rows,
        forgotten: rows,
        missing: 0,
        ciphertext: [],
      })
      // Whoever writes from now on has another data key.
      await app.dataSource.getRepository(Letter).insert({ id: 3, text: 'after' })
      expect(await app.dataSource.getRepository(Letter).findOneByOrFail({ id: 3 })).toMatchObject({
        text: 'after',
      })
    },
  )
})
