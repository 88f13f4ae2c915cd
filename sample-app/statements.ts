import { type BeforeQueryEvent, type DataSource, type EntitySubscriberInterface } from 'typeorm'

/** Writes down the statements that a DataSource sends to its database. */
export class Statements implements EntitySubscriberInterface {
  #sent: string[] = []

  static of(dataSource: DataSource): Statements {
    const statements = new Statements()
    dataSource.subscribers.push(statements)
    return statements
  }

  beforeQuery({ query }: BeforeQueryEvent): void {
    this.#sent.push(query)
  }

  /** The statements that change rows, among those since the last call. */
  takeChanges(): string[] {
    const changes = this.#sent.filter((sql) => /^(INSERT|UPDATE|DELETE)\b/.test(sql))
    this.#sent = []
    return changes
  }
}
