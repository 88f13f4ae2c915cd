import { fork } from 'node:child_process'
import { join } from 'node:path'
import { databaseNames, selectedDatabases } from '../selection'
import type { KeeperMessage } from './keeper'
import { keeper } from './global-teardown'
import { LOADER } from '../loader'

/** Jest calls this once per run, and only if integration tests are among those to be run. */
export default async function globalSetup(): Promise<void> {
  const selected = selectedDatabases()
  const leftOut = databaseNames.filter((name) => !selected.includes(name))
  if (leftOut.length > 0) process.stderr.write(`TEST_DATABASES leaves out: ${leftOut.join(', ')}\n`)

  const child = fork(join(__dirname, 'keeper.ts'), {
    execArgv: [...LOADER],
    detached: true, // out of reach of Ctrl+C: it ends when its channel to this process closes
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const message = await new Promise<KeeperMessage>((resolve, reject) => {
    child.once('message', resolve)
    child.once('error', reject)
    child.once('exit', () => {
      reject(new Error('The keeper of the test servers ended early'))
    })
  })
  if ('failed' in message) throw new Error(message.failed)
  Object.assign(process.env, message.ready)
  keeper.child = child
  child.unref()
  child.channel?.unref()
}
