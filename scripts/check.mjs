// `npm run check`: types, lint, format, arrows. What was found clean before and depends on nothing that changed since is
// not looked at again. A fresh clone has nothing remembered, so that what continuous integration checks is everything.
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { cacheFolder, root } from './check/cache.mjs'

const require = createRequire(import.meta.url)
mkdirSync(cacheFolder, { recursive: true })

/** The linter asks the compiler's declarations what changed, so it runs after it; the others stand alone. */
const checks = await Promise.all([
  run('types', 'typescript/bin/tsc', ['-p', 'tsconfig.check.json', '--pretty']).then(async (ok) => {
    const linted = await run('lint', join(root, 'scripts/check/lint.mjs'), [])
    return ok && linted
  }),
  run('format', 'prettier/bin/prettier.cjs', [
    '--check',
    '--log-level=warn',
    '--cache',
    '--cache-strategy=content',
    `--cache-location=${join(cacheFolder, 'prettier.json')}`,
    '.',
  ]),
  run('arrows', join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs'), ['src']),
])
process.exitCode = checks.every(Boolean) ? 0 : 1

/** Runs a tool, prints what it says in one piece, and tells whether it was content. */
function run(name, script, args) {
  const started = Date.now()
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [require.resolve(script), ...args], { cwd: root })
    const said = []
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => said.push(chunk))
    child.on('close', (status) => {
      const seconds = ((Date.now() - started) / 1000).toFixed(1)
      console.log(`${status === 0 ? '✓' : '✗'} ${name} (${seconds} s)`)
      if (status !== 0) process.stdout.write(Buffer.concat(said))
      resolve(status === 0)
    })
  })
}
