import { spawnSync } from 'node:child_process'

let able: boolean | undefined

/** True if there is a `python3` with the package `cryptography`; says why the tests are left out if there is none. */
export function canRunPython(): boolean {
  if (able !== undefined) return able
  const { status, error, stderr } = spawnSync('python3', ['-c', 'import cryptography'], { encoding: 'utf8' })
  able = status === 0
  if (!able) {
    const why = error ? error.message : (stderr.trim().split('\n').at(-1) ?? '')
    process.stderr.write(
      `Left out: tests with Python (${why}). They need python3 and its package cryptography.\n`,
    )
  }
  return able
}
