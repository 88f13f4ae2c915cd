import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { type DataSource, type DataSourceOptions } from 'typeorm'
import { thenUndo } from '../dialects/then-undo'
import { type Arguments, type CommandOptions, UsageError } from './command'
import { loadModule } from './load-module'

export const DATA_SOURCE_OPTIONS = {
  dataSource: {
    type: 'string',
    short: 'd',
    value: 'FILE',
    help: 'file that exports the DataSource, e.g. ormconfig.ts',
  },
} as const satisfies CommandOptions

/**
 * The initialised DataSource that the file named by `--dataSource` exports; destroyed after `use`. `prepare` is called
 * before it is initialised.
 */
export async function withDataSource<T>(
  args: Arguments,
  use: (dataSource: DataSource) => Promise<T>,
  prepare?: (dataSource: DataSource) => void,
): Promise<T> {
  const file = args.text('dataSource')
  if (file === undefined) throw new UsageError('name the file that exports the DataSource: -d ormconfig.ts')
  if (!existsSync(file)) throw new UsageError(`there is no file ${file}`)
  const dataSource = await loadDataSource(resolve(file))
  // A tool changes no schema and runs no migration by itself.
  dataSource.setOptions({ synchronize: false, migrationsRun: false, dropSchema: false })
  prepare?.(dataSource)
  if (!dataSource.isInitialized) await dataSource.initialize()
  return thenUndo(
    () => use(dataSource),
    () => dataSource.destroy(),
  )
}

async function loadDataSource(file: string): Promise<DataSource> {
  const exports = await loadModule(file)
  const found = new Set((await Promise.all(valuesOf(exports))).filter(isDataSource))
  // Only where there is none: to call what a module exports may do anything.
  const made = found.size > 0 ? [] : await Promise.all(factoriesOf(exports).map((make) => make()))
  const [dataSource, ...others] = new Set([...found, ...made.filter(isDataSource)])
  if (dataSource && others.length === 0) return dataSource
  const options = dataSource ? undefined : optionsOf(exports)
  if (options) return fromOptions(options, file)
  const what = dataSource ? 'more than one DataSource' : 'no DataSource'
  throw new UsageError(
    `${file} exports ${what}. Export one, its options, or a function without parameters that makes it: export default new DataSource(encryption.configure({ … }))`,
  )
}

/** What a module exports. The default export of CommonJS that an ES-module import loads is all of its exports. */
function valuesOf(exports: Record<string, unknown>): unknown[] {
  return Object.values(namedOf(exports))
}

function namedOf(exports: Record<string, unknown>): Record<string, unknown> {
  const inner = exports.default
  const hasInner = typeof inner === 'object' && inner !== null && !isDataSource(inner)
  return hasInner ? { ...exports, ...(inner as Record<string, unknown>) } : exports
}

/** The default export, and what is called like createDataSource; with no parameters, and no class. */
function factoriesOf(exports: Record<string, unknown>): (() => unknown)[] {
  return Object.entries(namedOf(exports)).flatMap(([name, value]) =>
    (name === 'default' || /data_?source$/i.test(name)) && isFactory(value) ? [value] : [],
  )
}

function isFactory(value: unknown): value is () => unknown {
  return typeof value === 'function' && value.length === 0 && !/^class\b/.test(String(value))
}

/** Options as the default export; an ES-module import of CommonJS has that one level deeper. */
function optionsOf({ default: first }: Record<string, unknown>): DataSourceOptions | undefined {
  const second = (first as { default?: unknown } | null | undefined)?.default
  return [first, second].find(isOptions)
}

function isOptions(value: unknown): value is DataSourceOptions {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'
}

/** With the application's own TypeORM. */
function fromOptions(options: DataSourceOptions, file: string): DataSource {
  const typeorm = createRequire(file)('typeorm') as { DataSource: typeof DataSource }
  return new typeorm.DataSource(options)
}

function isDataSource(value: unknown): value is DataSource {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value as { '@instanceof'?: unknown })['@instanceof'] === Symbol.for('DataSource')
  )
}
