import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describeDatabases, itWithInstalledTypeorm } from '../../support/databases'
import { startApplication } from '../../support/encryption'
import { LOADER } from '../../support/loader'
import { THOROUGH } from '../../support/thorough'
import { type KilledTask } from './killed-writer'
import { Letter } from './letter'

/** Statements after which it is killed. `TEST_THOROUGH=1`: each of them, until it comes to its end. */
const KILLED_AT = THOROUGH ? Array.from({ length: 60 }, (_, index) => index + 1) : [5, 8]
const it = itWithInstalledTypeorm('The process that is killed between statements')

describeDatabases('A process that is killed between two statements, while it makes a data key', (db) => {
  it('leaves nothing that does not open', async () => {
    const app = await startApplication(db(), [Letter], { dataKeys: 'stored' })
    const server = await app.kms.listen()

    async function write(killedAt: number): Promise<NodeJS.Signals | number | null> {
      const task: KilledTask = { options: db().options, endpoint: server.url, from: killedAt * 100, killedAt }
      const child = spawn(process.execPath, [...LOADER, join(__dirname, 'killed-writer.ts')], {
        env: { ...process.env, CHILD_TASK: JSON.stringify(task) },
        stdio: ['ignore', 'inherit', 'inherit'],
      })
      const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
      return signal ?? code
    }

    // One after another: on SQLite a second writer would meet a locked file, and die of that.
    let ended: NodeJS.Signals | number | null = 'SIGKILL'
    for (const killedAt of KILLED_AT) {
      if (ended !== 'SIGKILL') break
      // So that the next one makes a data key as well.
      if (killedAt > 1) await db().rawQuery(`UPDATE kms_data_key SET retired_at = ${Date.now()}`)
      ended = await write(killedAt)
    }
    expect(ended).toBe(THOROUGH ? 0 : 'SIGKILL')
    const { dataSource } = await app.restart()
    for (const { id, text } of await dataSource.getRepository(Letter).find())
      expect(text).toBe(`letter ${id}`)
    await server.close()
    await app.stop()
  }, 300_000)
})
