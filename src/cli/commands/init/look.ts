import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type DataSource, type DataSourceOptions } from 'typeorm'
import { dialectOf } from '../../../dialects'
import { isPglite } from '../../../dialects/postgres/pglite'
import { encryptedColumns } from '../../../migration/encrypted-columns'
import { type Arguments } from '../../command'
import { withDataSource } from '../../data-source'
import { printable } from '../../terminal'
import { allFindings } from '../doctor'
import { failureOf, type Finding } from '../doctor/finding'
import { type Use } from '../keys/policy/statements'
import { usesOf } from '../keys/policy/uses'
import { type Project } from './project'
import { type Samples, sampleOf } from './sample'

/** What the DataSource of a project told. */
export interface Looked extends Samples {
  /** Why the database was not asked; `undefined` if it was. */
  readonly why: string | undefined
  /** Tables of the entities, by name of the class. */
  readonly tables: ReadonlyMap<string, string>
  /** How columns that are encrypted already ask KMS. */
  readonly uses: readonly Use[]
  /** What `doctor` found, if the DataSource has the library. */
  readonly findings: readonly Finding[] | undefined
}

const NOTHING = { samples: [], failed: [], tables: new Map<string, string>(), uses: [], findings: undefined }

/** Milliseconds to wait for a connection. */
const PATIENCE = 10_000
const LONGEST = 300

/** The database was not asked, for a reason that is no fault. */
class NotAsked extends Error {}

/**
 * Opens the DataSource of a project so that nothing is changed by it, looks at values, and has `doctor` look if the
 * library is there. Whatever stands in the way is told.
 */
export async function look(folder: string, project: Project, args: Arguments): Promise<Looked> {
  const given = args.text('dataSource')
  const path = given ?? (project.dataSource === undefined ? undefined : join(folder, project.dataSource))
  const why = args.flag('offline') ? 'you said --offline' : whyNot(path, given !== undefined)
  if (why !== undefined || path === undefined) return { ...NOTHING, why: why ?? '' }
  const named: Arguments = { ...args, text: (name) => (name === 'dataSource' ? path : args.text(name)) }
  try {
    return await withDataSource(
      named,
      async (dataSource) => {
        const encrypted = encryptedColumns(dataSource)
        return {
          ...(await sampleOf(dataSource)),
          why: undefined,
          tables: new Map(dataSource.entityMetadatas.map(({ name, tableName }) => [name, tableName])),
          uses: usesOf(encrypted).uses,
          findings: encrypted.length > 0 ? await allFindings(dataSource, named) : undefined,
        }
      },
      (dataSource) => {
        openToRead(dataSource, given !== undefined)
      },
    )
  } catch (error) {
    const isFault = project.usesLibrary && !(error instanceof NotAsked)
    const findings = isFault
      ? [failureOf('application', 'the DataSource cannot be initialised', error)]
      : undefined
    return { ...NOTHING, findings, why: printable(messageOf(error), LONGEST) }
  }
}

/** To load a file may start an application, which is not asked for. */
function whyNot(path: string | undefined, isGiven: boolean): string | undefined {
  if (path === undefined) return 'no file with a DataSource was found; -d FILE names one'
  if (isGiven) return undefined
  const text = readFileSync(path, 'utf8')
  if (!/\bexports?\b/.test(text)) return `${path} exports no DataSource; -d FILE names one that does`
  if (/\.(?:initialize|listen|synchronize|runMigrations)\s*\(|NestFactory/.test(text))
    return `${path} does more than to make a DataSource, and was not run; -d ${path} runs it all the same`
  return undefined
}

function openToRead(dataSource: DataSource, isGiven: boolean): void {
  if (dataSource.isInitialized) return
  const { options } = dataSource
  dialectOf(options)
  if (isPglite(options) && !isGiven)
    throw new NotAsked('a folder of PGlite belongs to one process; name the file with -d while no other runs')
  dataSource.setOptions(readingOnly(options))
}

function readingOnly(options: DataSourceOptions): Partial<DataSourceOptions> {
  switch (options.type) {
    case 'better-sqlite3':
      requireFile(options.database)
      // In memory there is nothing to be changed, and no database to be read.
      return options.database === ':memory:' ? {} : { readonly: true, fileMustExist: true, enableWAL: false }
    case 'sqljs':
      if (options.location !== undefined) requireFile(options.location)
      return { autoSave: false }
    case 'postgres':
      return { installExtensions: false, connectTimeoutMS: options.connectTimeoutMS ?? PATIENCE }
    default:
      return {}
  }
}

function requireFile(path: string): void {
  if (path !== ':memory:' && !existsSync(resolve(path)))
    throw new NotAsked(`there is no database ${path} yet`)
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { message, code } = error as NodeJS.ErrnoException
  return message === '' ? (code ?? error.name) : message
}
