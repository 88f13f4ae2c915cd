import { UnsupportedDatabaseError } from '../../errors'
import { type Access, type Connection, type Statement } from './connection'

/** What is used of TypeORM's driver for sql.js. */
interface Driver {
  databaseConnection: Database
  /** Stores the database if the application wants that, and no transaction of TypeORM's is open. */
  autoSave(): Promise<void>
}

/** What is used of sql.js. */
interface Database {
  exec(sql: string): unknown
  prepare(sql: string): Prepared
  getRowsModified(): number
}

interface Prepared {
  bind(parameters: readonly unknown[]): boolean
  step(): boolean
  getAsObject(parameters: null, options: { useBigInt: boolean }): Record<string, unknown>
  free(): void
}

/** sql.js: SQLite in WebAssembly, with its database in memory and one connection to it. */
export const sqljs: Access = {
  connection: (driver) => new SqljsConnection((driver as Driver).databaseConnection),
  // To export the database ends a transaction that is open. TypeORM saves when it commits its own.
  save: (driver) =>
    sqljs.connection(driver).inTransaction ? Promise.resolve() : (driver as Driver).autoSave(),
}

/** A connection of sql.js in the words of better-sqlite3. */
class SqljsConnection implements Connection {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** sql.js does not tell, but SQLite refuses a transaction within another. */
  get inTransaction(): boolean {
    try {
      this.#database.exec('BEGIN')
    } catch {
      return true
    }
    this.#database.exec('COMMIT')
    return false
  }

  prepare(sql: string): Statement {
    return new SqljsStatement(this.#database, sql)
  }

  transaction<T>(body: () => T): { immediate(): T } {
    return {
      immediate: () => {
        const [begin, commit, undo] = this.inTransaction
          ? ['SAVEPOINT kms_rows', 'RELEASE kms_rows', 'ROLLBACK TO kms_rows; RELEASE kms_rows']
          : ['BEGIN IMMEDIATE', 'COMMIT', 'ROLLBACK']
        this.#database.exec(begin)
        try {
          const result = body()
          this.#database.exec(commit)
          return result
        } catch (error) {
          try {
            this.#database.exec(undo)
          } catch {
            // A trigger with RAISE(ROLLBACK) has undone it.
          }
          throw error
        }
      },
    }
  }
}

/** Prepared for each use: when the database is saved, sql.js lets go of all prepared statements. */
class SqljsStatement implements Statement {
  readonly #database: Database
  readonly #sql: string
  #useBigInt = false

  constructor(database: Database, sql: string) {
    this.#database = database
    this.#sql = sql
  }

  safeIntegers(): this {
    checkIntegers(this.#database)
    this.#useBigInt = true
    return this
  }

  all(...parameters: unknown[]): Record<string, unknown>[] {
    return this.#with(parameters, (prepared) => {
      const rows: Record<string, unknown>[] = []
      while (prepared.step()) rows.push(this.#row(prepared))
      return rows
    })
  }

  run(...parameters: unknown[]): { changes: number } {
    this.#with(parameters, (prepared) => prepared.step())
    return { changes: this.#database.getRowsModified() }
  }

  #with<T>(parameters: readonly unknown[], work: (prepared: Prepared) => T): T {
    const prepared = this.#database.prepare(this.#sql)
    try {
      prepared.bind(parameters.map(bindable))
      return work(prepared)
    } finally {
      prepared.free()
    }
  }

  /** Bytes as Buffers, as the other drivers deliver them. */
  #row(prepared: Prepared): Record<string, unknown> {
    const row = prepared.getAsObject(null, { useBigInt: this.#useBigInt })
    for (const [name, value] of Object.entries(row)) {
      if (value instanceof Uint8Array)
        row[name] = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    }
    return row
  }
}

/** sql.js would bind a bigint as text, which compares as one where the column has no affinity. */
function bindable(value: unknown): unknown {
  if (typeof value !== 'bigint') return value
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

/** Databases that are known to deliver bigints. */
const exact = new WeakSet<Database>()

/** An early release does not know `useBigInt`: keys of rows would lose digits, and nobody would notice. */
function checkIntegers(database: Database): void {
  if (exact.has(database)) return
  const prepared = database.prepare('SELECT 1 AS n')
  prepared.step()
  const { n } = prepared.getAsObject(null, { useBigInt: true })
  prepared.free()
  if (typeof n !== 'bigint')
    throw new UnsupportedDatabaseError(
      'this release of sql.js rounds large integers, so that keys of rows would be lost. Install a later one.',
    )
  exact.add(database)
}
