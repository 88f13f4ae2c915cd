import { type Logger } from 'typeorm'

/** Counts the statements that TypeORM sends, by their first word. */
export class StatementCounter implements Logger {
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

  logQueryError(): void {
    // It is thrown as well.
  }

  logQuerySlow(): void {
    // Slow ones are counted like others.
  }

  logSchemaBuild(): void {
    // Only statements count.
  }

  logMigration(): void {
    // Only statements count.
  }

  log(): void {
    // Only statements count.
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
