// Builds dist/: one CommonJS implementation in a few files, and beside each public entry a thin ES-module file that
// re-exports it by name. Two compiled copies would mean two registries of encrypted columns. What a source asks for by
// `require` when it needs it becomes a file of its own.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative, resolve } from 'node:path'
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
const whenNeeded = { 'shared/data-sources': 'src/data-sources.ts' }
/** How a file that is loaded when it is needed is named until it is known where its reader stands. */
const REQUIRED = 'when-needed:'
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

/**
 * Few files: a file per module would be half as large again, and slower to load. What each application loads is one;
 * but for what the formats of others need, which load nothing of the library.
 */
async function compile() {
  const input = inputOf([...entries.map((entry) => entry.require.default), ...programs], '.js', 'src')
  const [core, errors] = [new Set(), new Set()]
  const sort = {
    name: 'sort',
    buildEnd() {
      const formats = reach(this, join(root, 'src/formats/index.ts'))
      for (const id of reach(this, join(root, 'src/index.ts'))) (formats.has(id) ? errors : core).add(id)
    },
  }
  const group = (debugName, modules, priority) => ({
    name: (id) => (modules.has(id) ? debugName : null),
    debugName,
    priority,
  })
  await bundle(
    {
      input: { ...input, ...whenNeeded },
      tsconfig: join(root, 'tsconfig.build.json'),
      plugins: [keepRequired(), sort],
    },
    'cjs',
    'js',
    { groups: [group('errors', errors, 2), group('core', core, 1)] },
  )
}

/** A module and all that it imports of this project. */
function reach(bundler, id, found = new Set()) {
  const module = bundler.getModuleInfo(id)
  if (module === null || module.isExternal || found.has(id)) return found
  found.add(id)
  for (const each of module.importedIds) reach(bundler, each, found)
  return found
}

/** Leaves `require('./name')` in place, for `slim` to name the file that it has become. */
function keepRequired() {
  const resolveId = (source, importer, { kind }) => {
    if (kind !== 'require-call' || !source.startsWith('.')) return null
    const path = relative(root, resolve(dirname(importer), `${source}.ts`))
    const [file] = Object.entries(whenNeeded).find((entry) => entry[1] === path) ?? []
    if (file === undefined) throw new Error(`${importer} requires ${path}, which is not in whenNeeded`)
    return { id: `${REQUIRED}${file}.js`, external: true }
  }
  return { name: 'keep-required', resolveId }
}

/**
 * Without white space and the names of local variables, which are a third of the code. Nothing is rewritten otherwise.
 * Each statement and each member of a class but the first of its block has a line of its own, for stack traces and for who
 * reads what is installed.
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
      for (const { start } of node.body.slice(1)) characters[start] = `\n${characters[start]}`
    // Tools that read packages look for ` require("…")`.
    if (node.type !== 'CallExpression' || node.callee.name !== 'require') return
    const [name] = node.arguments
    const text = name.type === 'TemplateLiteral' ? name.quasis[0].value.cooked : name.value
    const path = text.startsWith(REQUIRED) ? beside(file, text.slice(REQUIRED.length)) : text
    characters.fill('', name.start, name.end)
    characters[name.start] = JSON.stringify(path)
    characters[node.start] = ' r'
  })
  writeFileSync(file, characters.join('').trimStart() + '\n')
}

/** A file of dist/ as another one names it. */
function beside(file, path) {
  const from = relative(dirname(file), join(staging, path))
  return from.startsWith('.') ? from : `./${from}`
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

async function bundle(options, format, extension, codeSplitting = true) {
  const bundled = await rolldown({ cwd: root, platform: 'node', external, ...options })
  await bundled.write({
    dir: staging,
    format,
    exports: 'named',
    comments: format === 'es',
    entryFileNames: `[name].${extension}`,
    chunkFileNames: `shared/[name].${extension}`,
    codeSplitting,
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
