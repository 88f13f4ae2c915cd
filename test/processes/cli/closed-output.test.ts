import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { LOADER } from '../../support/loader'

it('goes on where nobody reads what it prints', async () => {
  const root = join(__dirname, '..', '..', '..')
  const child = spawn(process.execPath, [...LOADER, 'src/cli/main.ts', '--help'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  child.stdout.destroy()
  expect(await once(child, 'exit')).toEqual([0, null])
})
