/** What is used of a driver's connection; it is synchronous. better-sqlite3 has it by itself. */
export interface Connection {
  prepare(sql: string): Statement
  transaction<T>(body: () => T): { immediate(): T }
  /** True while a transaction is open. */
  readonly inTransaction: boolean
}

export interface Statement {
  safeIntegers(): Statement
  all(...parameters: unknown[]): Record<string, unknown>[]
  run(...parameters: unknown[]): { changes: number | bigint }
}

/** A way to have SQLite: how its connection is reached in the driver of TypeORM. */
export interface Access {
  /** The connection of a connected driver of TypeORM. */
  connection(driver: object): Connection
  /** Stores what was written past the query runner, where the driver does not do so by itself. */
  save(driver: object): Promise<void>
}

/** TypeORM's driver behind one of its query runners for SQLite. */
export function driverOf(queryRunner: object): object {
  return (queryRunner as { driver: object }).driver
}

export const betterSqlite3: Access = {
  connection: (driver) => (driver as { databaseConnection: Connection }).databaseConnection,
  save: () => Promise.resolve(),
}

/** Synchronous work as a promise, so that its failure is one of the promise. */
export function attempt<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(work())
  })
}
