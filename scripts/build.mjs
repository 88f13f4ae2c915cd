// Builds dist/: one CommonJS implementation, and beside each public entry a thin ES-module file that re-exports it
// by name. Two compiled copies would mean two registries of encrypted columns.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)
const { exports: exported, bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const entries = Object.values(exported).filter((entry) => typeof entry !== 'string')

// Built aside and then moved, so that a build that fails leaves the last good one, and readers never meet half of one.
const staging = join(root, `.build-${process.pid}`)
mkdirSync(staging)
try {
  compile()
  for (const entry of entries) await writeModuleEntry(entry)
  removeUnreachableDeclarations()
  for (const program of Object.values(bin)) chmodSync(built(program), 0o755)
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  renameSync(staging, join(root, 'dist'))
} finally {
  rmSync(staging, { recursive: true, force: true })
}

/** Comments are in the declarations, where editors show them; in the JavaScript they would be a fifth of its size. */
function compile() {
  const tsc = require.resolve('typescript/bin/tsc')
  for (const output of [['--emitDeclarationOnly'], ['--declaration', 'false', '--removeComments']]) {
    execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', staging, ...output], {
      cwd: root,
      stdio: 'inherit',
    })
  }
}

/**
 * `export { names } from` and not `import cjs from`: Node and every bundler agree on the names of a CommonJS module,
 * but not on what its default export is. Node finds the names by reading the source, so the entry is tried out here.
 */
async function writeModuleEntry(entry) {
  const commonjs = built(entry.require.default)
  const names = Object.keys(require(commonjs))
  const from = `from './${basename(commonjs)}'`
  const module = built(entry.import.default)
  writeFileSync(module, `export {\n${names.map((name) => `  ${name},\n`).join('')}} ${from}\n`)
  writeFileSync(built(entry.import.types), `export * ${from}\n`)
  await import(pathToFileURL(module))
}

/** The declarations of internal files are only of use where those of an entry lead to them. */
function removeUnreachableDeclarations() {
  const roots = entries.flatMap((entry) => [built(entry.require.types), built(entry.import.types)])
  const options = { module: ts.ModuleKind.Node16, types: [], noLib: true }
  const reachable = new Set(
    ts
      .createProgram(roots, options)
      .getSourceFiles()
      .map(({ fileName }) => relative(staging, fileName)),
  )
  for (const file of ts.sys.readDirectory(staging, ['.d.ts'])) {
    if (!reachable.has(relative(staging, file))) rmSync(file)
  }
}

/** A path of package.json's exports, while it is being built. */
function built(path) {
  return join(staging, relative('dist', path))
}
