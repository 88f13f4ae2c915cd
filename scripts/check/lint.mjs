// ESLint over the files whose findings may have changed. ESLint's own cache knows a file by its content alone, and so
// misses what a rule that asks for types would find after a change in another file.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ESLint } from 'eslint'
import { cacheFolder, root } from './cache.mjs'
import { lintKeys } from './lint-keys.mjs'

const memory = join(cacheFolder, 'lint.json')
const clean = existsSync(memory) ? JSON.parse(readFileSync(memory, 'utf8')) : {}

const keys = lintKeys()
const eslint = new ESLint({ cwd: root })
const stale = []
for (const [file, key] of Object.entries(keys)) {
  if (clean[file] !== key && !(await eslint.isPathIgnored(file))) stale.push(file)
}

/** Each process reads all types anew, which does not pay for less. */
const linter = stale.length > 200 ? new ESLint({ cwd: root, concurrency: 2 }) : eslint
const results = stale.length > 0 ? await linter.lintFiles(stale) : []
const found = new Set(results.filter(({ messages }) => messages.length > 0).map(({ filePath }) => filePath))
const kept = Object.entries(keys).filter(([file]) => !found.has(join(root, file)))
writeFileSync(memory, JSON.stringify(Object.fromEntries(kept)))

if (found.size > 0) {
  const formatter = await eslint.loadFormatter('stylish')
  console.log(await formatter.format(results))
  process.exitCode = 1
}
