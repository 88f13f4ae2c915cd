/**
 * Mutation testing: changes the code in small ways, and sees whether a test fails. `npm run mutate` takes the
 * folders below, hours; `npm run mutate -- src/cipher/pairs.ts` what is named. What did not change since the last run is
 * not run again. Prints what survived, and a line for each folder.
 *
 * `MUTATION_TESTS=unit/cipher` has only the tests whose paths match, `MUTATION_SHARE=0.1 MUTATION_SEED=2` draws a tenth
 * of the mutants, `MUTATION_SECONDS=15` is how long one may live on, `MUTATION_PROCESSES=1` takes one core instead of two.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { isDrawn } from './sample.mjs'

const FOLDERS = ['cipher', 'column', 'kms', 'orm/statement', 'orm/write', 'orm/read', 'dialects', 'migration']
const here = import.meta.dirname
const root = resolve(here, '../..')
const REPORT = join(root, 'node_modules/.cache/mutation-report.json')

const named = process.argv.slice(2)
const paths = named.length > 0 ? named : FOLDERS.map((folder) => `src/${folder}/**/*.ts`)

function run(command, ...parameters) {
  const { status } = spawnSync(command, parameters, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

// The servers of the tests end with this process.
const require = createRequire(import.meta.url)
require('../support/typescript.cjs')
await require('../support/servers/global-setup.ts').default()
if (!existsSync(join(here, 'node_modules'))) run('npm', 'ci', '--prefix', here, '--no-audit', '--no-fund')
run(
  process.execPath,
  join(here, 'node_modules/@stryker-mutator/core/bin/stryker.js'),
  'run',
  'test/mutation/stryker.config.mjs',
  '--mutate',
  paths.join(','),
)

/** The report counts lines and columns from 1, the runner from 0. */
function fromZero({ start, end }) {
  const less = ({ line, column }) => ({ line: line - 1, column: column - 1 })
  return { start: less(start), end: less(end) }
}

const { files } = JSON.parse(readFileSync(REPORT, 'utf8'))
const folders = new Map()
for (const [file, { mutants, source }] of Object.entries(files)) {
  const folder = FOLDERS.find((each) => file.startsWith(`src/${each}/`)) ?? 'others'
  const counts = folders.get(folder) ?? { killed: 0, survived: 0 }
  folders.set(folder, counts)
  for (const mutant of mutants) {
    const { status, mutatorName, location, replacement } = mutant
    if (!isDrawn({ ...mutant, location: fromZero(location) })) continue
    if (status === 'Killed' || status === 'Timeout') counts.killed++
    else if (status === 'Survived' || status === 'NoCoverage') {
      counts.survived++
      const { start } = location
      const line = source.split('\n')[start.line - 1]?.trim()
      console.log(`${file}:${start.line}:${start.column} ${status} ${mutatorName}`)
      console.log(`    ${line}\n    → ${replacement ?? ''}`)
    }
  }
}
console.log()
for (const [folder, { killed, survived }] of folders) {
  const share = ((100 * killed) / Math.max(killed + survived, 1)).toFixed(1)
  console.log(`${folder}: ${killed} of ${killed + survived} killed (${share} %)`)
}
