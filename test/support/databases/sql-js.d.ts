/** What is used of sql.js, which has no types of its own. */
declare module 'sql.js' {
  export class Database {
    prepare(sql: string): Statement
    exec(sql: string): unknown
    export(): Uint8Array
    close(): void
  }

  interface Statement {
    bind(params: unknown[]): boolean
    step(): boolean
    getAsObject(): Record<string, unknown>
    free(): void
  }

  export default function load(): Promise<{ Database: typeof Database }>
}
