// What the findings of ESLint in a file depend on: its text, and the declarations of what it imports. A file whose body
// changed and whose declarations did not leaves the findings in all others as they were.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import ts from 'typescript'
import { cacheFolder, root } from './cache.mjs'

const { paths } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config.compilerOptions

/** By path from the root, a key that changes with all that ESLint's findings in the file depend on. */
export function lintKeys() {
  const files = execFileSync(
    'git',
    ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts', '*.mjs', '*.cjs'],
    { cwd: root, encoding: 'utf8' },
  )
    .split('\n')
    .filter((file) => file !== '' && existsSync(join(root, file)))
  // Rules, compiler options, and the packages with their types.
  const rest = files.filter((file) => /^(eslint\.config|scripts\/check\/)|\.d\.ts$/.test(file))
  const basis = hash([...rest, 'tsconfig.json', 'package-lock.json'].map((file) => read(join(root, file))))
  return Object.fromEntries(files.map((file) => [file, keyOf(file, basis)]))
}

function keyOf(file, basis) {
  const text = read(join(root, file))
  const seen = new Map()
  const pending = importsOf(text, file)
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (seen.has(next)) continue
    const shape = shapeOf(next)
    seen.set(next, shape.hash)
    pending.push(...shape.imports)
  }
  return hash([basis, process.version, text, ...[...seen].sort().flat()])
}

const shapes = new Map()

/** What others see of a file: its declarations as the compiler wrote them, or its text where there are none. */
function shapeOf(file) {
  let shape = shapes.get(file)
  if (!shape) {
    const declarations = join(cacheFolder, 'types', file.replace(/\.ts$/, '.d.ts'))
    const text = read(existsSync(declarations) ? declarations : join(root, file))
    shape = { hash: hash([text]), imports: importsOf(text, file) }
    shapes.set(file, shape)
  }
  return shape
}

/** The files of this project that a text imports, in any way. */
function importsOf(text, file) {
  return ts
    .preProcessFile(text, true, true)
    .importedFiles.map(({ fileName }) => resolve(fileName, file))
    .filter((path) => path !== undefined)
}

function resolve(name, from) {
  if (paths[name]) return normalize(paths[name][0])
  if (!name.startsWith('.')) return undefined
  const path = join(dirname(from), name)
  return [path, `${path}.ts`, join(path, 'index.ts')].find(
    (each) => /\.\w+$/.test(each) && existsSync(join(root, each)),
  )
}

function read(path) {
  return readFileSync(path, 'utf8')
}

function hash(texts) {
  const sum = createHash('sha256')
  for (const text of texts) sum.update(text).update('\0')
  return sum.digest('base64')
}
