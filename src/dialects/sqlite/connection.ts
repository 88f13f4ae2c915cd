/** What is used of better-sqlite3. */
export interface Connection {
  prepare(sql: string): Statement
  transaction<T>(body: () => T): { immediate(): T }
}

interface Statement {
  safeIntegers(): Statement
  all(...parameters: unknown[]): Record<string, unknown>[]
  run(...parameters: unknown[]): { changes: number | bigint }
}

/** Synchronous work as a promise, so that its failure is one of the promise. */
export function attempt<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(work())
  })
}
