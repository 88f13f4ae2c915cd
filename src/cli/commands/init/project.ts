import { readdir, readFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
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
  /** The version in package.json. */
  readonly typeorm: string | undefined
  /** TypeORM's name of the database whose driver is installed. */
  readonly database: string | undefined
  readonly isInstalled: boolean
  /** The file with the DataSource, for `-d`. */
  readonly dataSource: string | undefined
  /** The NestJS module that sets TypeORM up. */
  readonly nestModule: string | undefined
  readonly migrations: string
  readonly sources: readonly Source[]
}

const DRIVERS = { mysql2: 'mysql', pg: 'postgres', 'better-sqlite3': 'better-sqlite3' } as const
const LEFT_OUT = new Set(['node_modules', 'dist', 'build', 'coverage'])
/** A project has fewer; a folder that is none may have any number. */
const MAX_FILES = 5_000

/** @throws CommandFailed for a folder without package.json. */
export async function readProject(folder: string): Promise<Project> {
  const { type, dependencies = {}, devDependencies = {} } = await readPackage(folder)
  const installed: Record<string, string> = { ...devDependencies, ...dependencies }
  const sources = await readSources(folder)
  const having = (text: RegExp): string | undefined => sources.find((source) => text.test(source.text))?.path
  const driver = Object.keys(DRIVERS).find((name) => name in installed) as keyof typeof DRIVERS | undefined
  return {
    modules: type === 'module' ? 'module' : 'commonjs',
    framework: '@nestjs/core' in installed ? 'nestjs' : undefined,
    typeorm: installed['typeorm'],
    database: driver && DRIVERS[driver],
    isInstalled: 'typeorm-kms-encrypted' in installed,
    dataSource: having(/new DataSource\s*\(/),
    nestModule: having(/TypeOrmModule\s*\.\s*forRoot/),
    migrations: sources.some(({ path }) => path.startsWith('src/')) ? 'src/migrations' : 'migrations',
    sources,
  }
}

interface Package {
  type?: string
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
}

async function readPackage(folder: string): Promise<Package> {
  const path = join(folder, 'package.json')
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Package
  } catch (error) {
    throw new CommandFailed(
      `${path} cannot be read (${(error as Error).name}). Name the folder of a project.`,
    )
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
