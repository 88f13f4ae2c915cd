import { createRequire } from 'node:module'
import { type DataSourceOptions } from 'typeorm'
import { databaseFile } from './files'

const load = createRequire(__filename)

/** better-sqlite3 is compiled, if npm found a compiler or a binary for this Node. */
export const isCompiled = ((): boolean => {
  try {
    const Database = load('better-sqlite3') as new (file: string) => { close(): void }
    new Database(':memory:').close()
    return true
  } catch {
    return false
  }
})()

/** A SQLite file: by better-sqlite3, else by sql.js, which is WebAssembly and runs everywhere. */
export const sqlite: DataSourceOptions = isCompiled
  ? { type: 'better-sqlite3', database: databaseFile }
  : { type: 'sqljs', location: databaseFile, autoSave: true, driver: oneDatabase }

interface SqlJs {
  Database: new () => { close(): void }
}

let only: { close(): void } | undefined

/**
 * sql.js has its database in memory and writes the whole file. So the DataSources of the story, which have a file
 * between them elsewhere, share the one in memory.
 */
async function oneDatabase(): Promise<{ Database: () => object }> {
  const { Database } = await (load('sql.js') as () => Promise<SqlJs>)()
  const open = (): object => {
    only ??= Object.assign(new Database(), { close: () => undefined })
    return only
  }
  return {
    Database: function () {
      return open()
    },
  }
}
