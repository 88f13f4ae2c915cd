// The binaries of other Node versions, from the packages of npm that bring them, in a folder of their own.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The oldest that the package supports, and the newest of each line that has long-term support or will have. */
export const LINES = ['20.19.0', '22', '24', '26']

const cache = fileURLToPath(new URL('../../node_modules/.cache/nodes', import.meta.url))

/** The folder with the binary `node` of a version; downloads it if it is not there. */
export function binariesOf(version) {
  const folder = join(cache, version)
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  const binaries = join(folder, 'node_modules', name, 'bin')
  if (!existsSync(join(binaries, 'node'))) {
    mkdirSync(folder, { recursive: true })
    const options = ['--prefix', folder, '--no-save', '--no-package-lock', '--no-audit', '--no-fund']
    execFileSync('npm', ['install', ...options, `${name}@${version}`], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: Object.fromEntries(Object.entries(process.env).filter(([each]) => !/^npm_/i.test(each))),
    })
  }
  return binaries
}
