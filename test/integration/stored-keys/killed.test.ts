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
const KILLED_AT = [5, 8]
const AT_MOST = 60
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

    if (THOROUGH) {
      let killedAt = 1
      while (killedAt < AT_MOST && (await write(killedAt)) === 'SIGKILL') {
        // So that the next one makes a data key as well.
        await db().rawQuery(`UPDATE kms_data_key SET retired_at = ${Date.now()}`)
        killedAt++
      }
      expect(killedAt).toBeLessThan(AT_MOST)
    } else expect(await Promise.all(KILLED_AT.map(write))).toEqual(KILLED_AT.map(() => 'SIGKILL'))
    const { dataSource } = await app.restart()
    for (const { id, text } of await dataSource.getRepository(Letter).find())
      expect(text).toBe(`letter ${id}`)
    await server.close()
    await app.stop()
  }, 300_000)
})
