import { type Logger } from 'typeorm'

/** A logger that listens to statements only: failures are thrown as well, and the rest is of no interest. */
export abstract class StatementListener implements Logger {
  abstract logQuery(sql: string, parameters?: unknown[]): void
  logQueryError(): void {}
  logQuerySlow(): void {}
  logSchemaBuild(): void {}
  logMigration(): void {}
  log(): void {}
}

/** Counts the statements that TypeORM sends, by their first word. */
export class StatementCounter extends StatementListener {
  readonly #counts = new Map<string, number>()

  count(word: string): number {
    return this.#counts.get(word) ?? 0
  }

  reset(): void {
    this.#counts.clear()
  }

  logQuery(sql: string): void {
    const word = /^\w+/.exec(sql)?.[0].toUpperCase() ?? ''
    this.#counts.set(word, this.count(word) + 1)
  }
}

/** Keeps the statements that TypeORM sends, with their parameters. */
export class StatementLog extends StatementCounter {
  readonly sent: [sql: string, parameters: unknown[] | undefined][] = []

  override reset(): void {
    this.sent.splice(0)
  }

  override logQuery(sql: string, parameters?: unknown[]): void {
    this.sent.push([sql, parameters])
  }
}
