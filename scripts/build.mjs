// Builds dist/: one CommonJS implementation in a few files, and beside each public entry a thin ES-module file that
// re-exports it by name. Two compiled copies would mean two registries of encrypted columns.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { rolldown } from 'rolldown'
import { parseAst } from 'rolldown/parseAst'
import { minifySync } from 'rolldown/utils'
import { dts } from 'rolldown-plugin-dts'

const root = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)
const {
  exports: exported,
  bin,
  dependencies,
  peerDependencies,
} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const entries = Object.values(exported).filter((entry) => typeof entry !== 'string')
const programs = Object.values(bin)
const external = [/^node:/, ...Object.keys({ ...dependencies, ...peerDependencies })]

// Built aside and then moved, so that a build that fails leaves the last good one, and readers never meet half of one.
const staging = join(root, `.build-${process.pid}`)
mkdirSync(staging)
try {
  await compile()
  for (const file of readdirSync(staging, { recursive: true }))
    if (file.endsWith('.js')) slim(join(staging, file))
  await declare()
  for (const entry of entries) await writeModuleEntry(entry)
  for (const program of programs) chmodSync(built(program), 0o755)
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  renameSync(staging, join(root, 'dist'))
} finally {
  rmSync(staging, { recursive: true, force: true })
}

/** Few files: a file per module would be half as large again, and slower to load. */
async function compile() {
  const input = inputOf([...entries.map((entry) => entry.require.default), ...programs], '.js', 'src')
  await bundle({ input, tsconfig: join(root, 'tsconfig.build.json') }, 'cjs', 'js')
}

/**
 * Without white space and the names of local variables, which are a third of the code. Nothing is rewritten otherwise.
 * Each statement and each member of a class has a line of its own, for stack traces and for who reads what is installed.
 */
function slim(file) {
  const { code, errors } = minifySync(file, readFileSync(file, 'utf8'), {
    module: false,
    compress: false,
    mangle: { toplevel: true, keepNames: true },
    codegen: { removeWhitespace: true },
  })
  if (errors.length > 0) throw new Error(`${file}: ${errors[0].message}`)
  const characters = [...Array(code.length).keys()].map((at) => code[at])
  visit(parseAst(code, { sourceType: 'script' }), (node) => {
    if (Array.isArray(node.body))
      for (const { start } of node.body) characters[start] = `\n${characters[start]}`
    // Tools that read packages look for ` require("…")`.
    if (node.type !== 'CallExpression' || node.callee.name !== 'require') return
    const [name] = node.arguments
    if (name.type === 'TemplateLiteral') characters[name.start] = characters[name.end - 1] = '"'
    characters[node.start] = ' r'
  })
  writeFileSync(file, characters.join('').trimStart() + '\n')
}

function visit(node, seen) {
  if (typeof node !== 'object' || node === null) return
  if (typeof node.type === 'string') seen(node)
  for (const part of Object.values(node)) visit(part, seen)
}

/** What an entry does not lead to is left out. */
async function declare() {
  const types = join(staging, 'types')
  const tsc = require.resolve('typescript/bin/tsc')
  const options = ['-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--outDir', types]
  execFileSync(process.execPath, [tsc, ...options], { cwd: root, stdio: 'inherit' })
  const input = inputOf(
    entries.map((entry) => entry.require.types),
    '.d.ts',
    types,
  )
  await bundle({ cwd: types, input, plugins: [dts({ dtsInput: true, tsconfig: false })] }, 'es', 'ts')
  rmSync(types, { recursive: true })
}

/** The sources of files of dist/, by their names in it. */
function inputOf(files, ending, folder) {
  const names = files.map((file) => relative('dist', file).slice(0, -ending.length))
  const source = ending === '.js' ? '.ts' : ending
  return Object.fromEntries(names.map((name) => [name, join(folder, name + source)]))
}

async function bundle(options, format, extension) {
  const bundled = await rolldown({ cwd: root, platform: 'node', external, ...options })
  await bundled.write({
    dir: staging,
    format,
    exports: 'named',
    comments: format === 'es',
    entryFileNames: `[name].${extension}`,
    chunkFileNames: `shared/[name].${extension}`,
  })
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

/** A path of package.json's exports, while it is being built. */
function built(path) {
  return join(staging, relative('dist', path))
}
