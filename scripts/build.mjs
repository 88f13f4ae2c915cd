// Builds dist/: one CommonJS implementation, and beside each public entry a thin ES-module file that
// re-exports it by name. Two compiled copies would mean two registries of encrypted columns.
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const root = new URL('..', import.meta.url)
const require = createRequire(import.meta.url)

rmSync(new URL('dist', root), { recursive: true, force: true })
execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})

const { exports: entries } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
for (const entry of Object.values(entries)) {
  if (typeof entry === 'string') continue
  const cjs = new URL(entry.require.default, root)
  const file = cjs.pathname.split('/').pop()
  const names = Object.keys(require(cjs.pathname)).filter((name) => name !== '__esModule')
  const lines = [`import cjs from './${file}'`, ...names.map((name) => `export const ${name} = cjs.${name}`)]
  writeFileSync(new URL(entry.import.default, root), lines.join('\n') + '\n')
  writeFileSync(new URL(entry.import.types, root), `export * from './${file}'\n`)
}
