import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type DataSource } from 'typeorm'
import { type Arguments, type CommandOptions, UsageError } from './command'

export const DATA_SOURCE_OPTIONS = {
  dataSource: {
    type: 'string',
    short: 'd',
    value: 'FILE',
    help: 'file that exports the DataSource, e.g. ormconfig.ts',
  },
} as const satisfies CommandOptions

/** What teaches Node to load TypeScript; the first that the application has installed is used. */
const TYPESCRIPT_LOADERS = ['@swc-node/register', 'tsx/cjs', 'ts-node/register/transpile-only']

/** The initialised DataSource that the file named by `--dataSource` exports; destroyed after `use`. */
export async function withDataSource<T>(
  args: Arguments,
  use: (dataSource: DataSource) => Promise<T>,
): Promise<T> {
  const file = args.text('dataSource')
  if (file === undefined) throw new UsageError('name the file that exports the DataSource: -d ormconfig.ts')
  if (!existsSync(file)) throw new UsageError(`there is no file ${file}`)
  const dataSource = await loadDataSource(resolve(file))
  // A tool changes no schema and runs no migration by itself.
  dataSource.setOptions({ synchronize: false, migrationsRun: false, dropSchema: false })
  if (!dataSource.isInitialized) await dataSource.initialize()
  try {
    return await use(dataSource)
  } finally {
    await dataSource.destroy()
  }
}

async function loadDataSource(file: string): Promise<DataSource> {
  const exports = await load(file)
  const candidates = await Promise.all(valuesOf(exports))
  const [found, ...others] = new Set(candidates.filter(isDataSource))
  if (found && others.length === 0) return found
  throw new UsageError(`${file} exports ${!found ? 'no DataSource' : 'more than one DataSource'}`)
}

async function load(file: string): Promise<Record<string, unknown>> {
  const require = createRequire(file)
  if (/\.[cm]?ts$/.test(file)) {
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only way to see a loader that is already there
    if (!('.ts' in require.extensions)) registerTypeScript(require, file)
    if (!file.endsWith('.mts')) return require(file) as Record<string, unknown>
  }
  return (await import(pathToFileURL(file).href)) as Record<string, unknown>
}

function registerTypeScript(require: NodeJS.Require, file: string): void {
  for (const loader of TYPESCRIPT_LOADERS) {
    try {
      require(loader)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
    }
  }
  throw new UsageError(
    `to load ${file}, install a TypeScript loader (npm install --save-dev @swc-node/register), or name the compiled JavaScript file. esbuild's loaders (tsx) need a type in each @KmsEncrypted().`,
  )
}

/** What a module exports. The default export of CommonJS that an ES-module import loads is all of its exports. */
function valuesOf(exports: Record<string, unknown>): unknown[] {
  const inner = exports.default
  const hasInner = typeof inner === 'object' && inner !== null && !isDataSource(inner)
  return [...Object.values(exports), ...(hasInner ? Object.values(inner as Record<string, unknown>) : [])]
}

function isDataSource(value: unknown): value is DataSource {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value as { '@instanceof'?: unknown })['@instanceof'] === Symbol.for('DataSource')
  )
}
