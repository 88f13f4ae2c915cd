import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, relative, resolve, sep } from 'node:path'
import { CommandFailed } from '../../command'

/** A file of the project, with its path in it. */
export interface Source {
  readonly path: string
  readonly text: string
}

/** What a project is made of, as its files say. Nothing of it is run. */
export interface Project {
  readonly modules: 'module' | 'commonjs'
  readonly framework: 'nestjs' | undefined
  /** The version that is installed, else that of package.json. */
  readonly typeorm: string | undefined
  /** TypeORM's name of the database, as the DataSource has it, or by the driver that is installed. */
  readonly database: string | undefined
  /** Packages in package.json. */
  readonly packages: ReadonlySet<string>
  /** True if a file of it uses this library. */
  readonly usesLibrary: boolean
  /** The file with the DataSource, for `-d`. */
  readonly dataSource: string | undefined
  /** Further files that make one. */
  readonly otherDataSources: readonly string[]
  /** True if package.json is that of a monorepo. */
  readonly hasWorkspaces: boolean
  /** The NestJS module that sets TypeORM up. */
  readonly nestModule: string | undefined
  readonly migrations: string
  readonly sources: readonly Source[]
}

/** TypeORM's names by drivers; those that come last are often there beside another. */
const DRIVERS: readonly (readonly [driver: string, database: string])[] = [
  ['mysql2', 'mysql'],
  ['typeorm-pglite', 'postgres'],
  ['pg', 'postgres'],
  ['better-sqlite3', 'better-sqlite3'],
  ['mssql', 'mssql'],
  ['oracledb', 'oracle'],
  ['mongodb', 'mongodb'],
  ['sqlite3', 'sqlite'],
  ['sql.js', 'sqljs'],
]
const LEFT_OUT = new Set(['node_modules', 'dist', 'build', 'coverage'])
/** A project has fewer; a folder that is none may have any number. */
const MAX_FILES = 5_000

/** @throws CommandFailed for a folder without package.json. */
export async function readProject(folder: string): Promise<Project> {
  const { type, workspaces, dependencies = {}, devDependencies = {} } = await readPackage(folder)
  const packages = new Set(Object.keys({ ...devDependencies, ...dependencies }))
  const sources = await readSources(folder)
  const having = (text: RegExp): Source | undefined => sources.find((source) => text.test(source.text))
  const [dataSource, ...others] = sources.filter(({ text }) => /new DataSource\s*\(/.test(text))
  const nestModule = having(/TypeOrmModule\s*\.\s*forRoot/)
  return {
    modules: type === 'module' ? 'module' : 'commonjs',
    framework: packages.has('@nestjs/core') ? 'nestjs' : undefined,
    typeorm: installedTypeorm(folder) ?? dependencies['typeorm'] ?? devDependencies['typeorm'],
    database:
      databaseIn(dataSource) ??
      databaseIn(nestModule) ??
      DRIVERS.find(([driver]) => packages.has(driver))?.[1],
    packages,
    usesLibrary: having(/['"]typeorm-kms-encrypted(?:\/nestjs)?['"]/) !== undefined,
    dataSource: dataSource?.path,
    otherDataSources: others.map(({ path }) => path),
    hasWorkspaces: workspaces !== undefined || existsSync(join(folder, 'pnpm-workspace.yaml')),
    nestModule: nestModule?.path,
    migrations: sources.some(({ path }) => path.startsWith('src/')) ? 'src/migrations' : 'migrations',
    sources,
  }
}

function databaseIn(source: Source | undefined): string | undefined {
  const names = 'mysql|mariadb|postgres|better-sqlite3|sqljs|sqlite|mssql|oracle|mongodb|cockroachdb'
  return source && new RegExp(`\\btype:\\s*['"](${names})['"]`).exec(source.text)?.[1]
}

function installedTypeorm(folder: string): string | undefined {
  try {
    const { version } = createRequire(resolve(folder, 'package.json'))('typeorm/package.json') as {
      version?: string
    }
    return version
  } catch {
    // Nothing is installed yet.
    return undefined
  }
}

interface Package {
  type?: string
  workspaces?: unknown
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
}

async function readPackage(folder: string): Promise<Package> {
  const path = join(folder, 'package.json')
  try {
    const read: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (typeof read !== 'object' || read === null) throw new TypeError('no object')
    return read
  } catch (error) {
    const { code, name } = error as NodeJS.ErrnoException
    throw new CommandFailed(`${path} cannot be read (${code ?? name}). Name the folder of a project.`)
  }
}

async function readSources(folder: string): Promise<Source[]> {
  const found: string[] = []
  const waiting = [folder]
  for (let next = waiting.pop(); next !== undefined && found.length < MAX_FILES; next = waiting.pop()) {
    for (const entry of await readdir(next, { withFileTypes: true })) {
      const path = join(next, entry.name)
      if (entry.isDirectory() && !LEFT_OUT.has(entry.name) && !entry.name.startsWith('.')) waiting.push(path)
      else if (entry.isFile() && /(?<!\.d|\.test|\.spec)\.[cm]?ts$/.test(entry.name)) found.push(path)
    }
  }
  const read = async (path: string): Promise<Source> => ({
    path: relative(folder, path).split(sep).join('/'),
    text: await readFile(path, 'utf8'),
  })
  return Promise.all(found.sort().map(read))
}
