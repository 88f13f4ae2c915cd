import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { LOADER } from '../../support/loader'

const run = promisify(execFile)
const canRead = existsSync('/proc/self/mem')
if (!canRead) process.stderr.write('Left out: the memory of a process, which is read from /proc/self/mem.\n')

;(canRead ? describe : describe.skip)('The memory of a process', () => {
  test('holds no data key any more, once it was destroyed and garbage was collected', async () => {
    const program = [...LOADER, '--expose-gc', join(__dirname, 'program.ts')]
    const { stdout } = await run(process.execPath, program)
    const { opened, before, after } = JSON.parse(stdout) as Record<string, number>
    expect(opened).toBe(20)
    expect(before).toBeGreaterThan(0)
    expect(after).toBe(0)
  })
})
