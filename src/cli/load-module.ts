import { existsSync, readFileSync } from 'node:fs'
import Module, { createRequire, register } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { UsageError } from './command'

type Exports = Record<string, unknown>

/** What teaches Node to load TypeScript, by the kind of module; the first that the application has installed is used. */
const COMMONJS_LOADERS = ['@swc-node/register', 'tsx/cjs', 'ts-node/register/transpile-only']
const ESM_LOADERS = ['@swc-node/register/esm', 'ts-node/esm/transpile-only']
/** tsx registers itself once it is imported, as with `node --import tsx/esm`. */
const TSX_ESM = 'tsx/esm'

/** Loads a module of the application, as the file and its package.json say what kind it is. */
export async function loadModule(file: string): Promise<Exports> {
  if (!/\.[cm]?tsx?$/.test(file)) return importFile(file)
  useTsconfigOf(file)
  if (isEsModule(file)) {
    await registerEsm(file)
    return importFile(file)
  }
  registerCommonJs(file)
  return createRequire(file)(file) as Exports
}

async function importFile(file: string): Promise<Exports> {
  return (await import(pathToFileURL(file).href)) as Exports
}

/** By its extension, else by the `type` of the package that it belongs to. */
export function isEsModule(file: string): boolean {
  if (/\.mtsx?$/.test(file)) return true
  if (/\.ctsx?$/.test(file)) return false
  return packageType(dirname(file)) === 'module'
}

function packageType(folder: string): unknown {
  const file = nearest('package.json', folder)
  return file && (JSON.parse(readFileSync(file, 'utf8')) as { type?: unknown }).type
}

/**
 * Loaders take the tsconfig.json of the folder in which the tool runs, and without `experimentalDecorators` they make
 * decorators of another kind, which TypeORM does not know. Those that the environment names stay: ts-node and swc-node
 * read the first variable, tsx the second.
 */
function useTsconfigOf(file: string): void {
  const tsconfig = nearest('tsconfig.json', dirname(file))
  if (tsconfig === undefined) return
  if (process.env.SWC_NODE_PROJECT === undefined) process.env.TS_NODE_PROJECT ??= tsconfig
  process.env.TSX_TSCONFIG_PATH ??= tsconfig
}

/** A file of this name in the folder, or in the first of those above that has one. */
function nearest(name: string, folder: string): string | undefined {
  const file = join(folder, name)
  if (existsSync(file)) return file
  const parent = dirname(folder)
  return parent === folder ? undefined : nearest(name, parent)
}

async function registerEsm(file: string): Promise<void> {
  for (const loader of ESM_LOADERS) {
    try {
      register(loader, pathToFileURL(file))
      return
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }
  const tsx = resolved(TSX_ESM, file)
  if (tsx === undefined) throw missingLoader(file, 'an ES module')
  await importFile(tsx)
}

function registerCommonJs(file: string): void {
  resolveTypeScript()
  const require = createRequire(file)
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only way to see a loader that is already there
  if ('.ts' in require.extensions) return
  const loader = COMMONJS_LOADERS.find((name) => resolved(name, file) !== undefined)
  if (loader === undefined) throw missingLoader(file, 'a CommonJS module')
  require(loader)
}

function resolved(name: string, file: string): string | undefined {
  try {
    return createRequire(file).resolve(name)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND'
}

function missingLoader(file: string, kind: string): UsageError {
  return new UsageError(
    `${file} is ${kind} in TypeScript, and no loader for that is installed: npm install --save-dev @swc-node/register @swc/core (or tsx, which needs a type in each @KmsEncrypted(); or ts-node). Or name the compiled JavaScript file.`,
  )
}

type ResolveFilename = (
  request: string,
  parent: { filename?: string } | undefined,
  ...rest: unknown[]
) => string

let resolves = false

/** In TypeScript, `require('./user.js')` of a TypeScript file means user.ts. Loaders for CommonJS do not all know that. */
function resolveTypeScript(): void {
  if (resolves) return
  resolves = true
  // In this process only, which is the tool's. Node's own hooks for it came after 20.
  const loader = Module as unknown as { _resolveFilename: ResolveFilename }
  const original = loader._resolveFilename
  loader._resolveFilename = function (request, parent, ...rest) {
    try {
      return original.call(this, request, parent, ...rest)
    } catch (error) {
      const source = /^\.{1,2}\/.*\.[cm]?js$/.test(request) && /\.[cm]?tsx?$/.test(parent?.filename ?? '')
      if (!source || !isMissing(error)) throw error
      return original.call(this, request.replace(/js$/, 'ts'), parent, ...rest)
    }
  }
}
