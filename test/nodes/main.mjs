// `npm run test:nodes`: the packed package and the sample on each Node version. `-- --matrix` also runs the integration
// tests on the oldest and the newest; `-- --only 26` takes one version.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { performance } from 'node:perf_hooks'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { binariesOf, LINES } from './install.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { values } = parseArgs({ options: { matrix: { type: 'boolean' }, only: { type: 'string' } } })
const versions = values.only === undefined ? LINES : [values.only]

const results = []
for (const version of versions) {
  const binaries = binariesOf(version)
  const isEnd = version === LINES[0] || version === LINES.at(-1)
  const exact = run(version, binaries, ['-p', 'process.versions.node']).stdout.trim()
  test(exact, 'packed package', binaries, ['node_modules/jest/bin/jest.js', '--selectProjects', 'package'], {
    TEST_NODES: 'none',
  })
  sample(exact, binaries)
  if (values.matrix && isEnd) {
    const projects = ['--selectProjects', 'unit', 'typeorm-1', 'typeorm-0.3']
    // better-sqlite3 is compiled for the Node that ran npm ci.
    const env = { TEST_DATABASES: process.env.TEST_DATABASES ?? 'mariadb,postgres,sqljs' }
    test(exact, 'integration tests', binaries, ['node_modules/jest/bin/jest.js', ...projects], env)
  }
}
console.log()
for (const { version, what, ok, seconds, said } of results)
  console.log(`Node ${version.padEnd(9)} ${what.padEnd(18)} ${ok ? 'passed' : 'FAILED'} ${said} ${seconds} s`)
process.exit(results.every(({ ok }) => ok) ? 0 : 1)

function test(version, what, binaries, args, env = {}) {
  const start = performance.now()
  const { status, stderr } = run(version, binaries, args, env)
  const said = /^Tests: .*$/m.exec(stderr)?.[0] ?? ''
  const ok = status === 0
  if (!ok) console.error(stderr)
  results.push({ version, what, ok, said, seconds: seconds(start) })
}

function sample(version, binaries) {
  const start = performance.now()
  const folder = mkdtempSync(join(tmpdir(), 'typeorm-kms-encrypted-nodes-'))
  const args = ['-r', '@swc-node/register', 'sample-app/main.ts']
  const { status, stdout, stderr } = run(version, binaries, args, { SAMPLE_FOLDER: folder })
  rmSync(folder, { recursive: true })
  const ok = status === 0 && stdout.includes('The end.')
  if (!ok) console.error(stdout + stderr)
  const said = /^ *database +(.*?),/m.exec(stdout)?.[1] ?? ''
  results.push({ version, what: 'sample', ok, said, seconds: seconds(start) })
}

/** With its folder first in PATH, so that whatever it starts runs on the same Node. */
function run(version, binaries, args, env = {}) {
  console.error(`Node ${version}: ${args.join(' ')}`)
  const PATH = binaries + delimiter + process.env.PATH
  return spawnSync(join(binaries, 'node'), args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    env: { ...process.env, ...env, PATH },
  })
}

function seconds(start) {
  return Math.round((performance.now() - start) / 1000)
}
