import { type QueryRunner } from 'typeorm'

/** A statement and its parameters. */
export type Sql = readonly [sql: string, parameters: unknown[]]

/** The only connection that a DataSource has: what is written beside the application's statements goes over it, too. */
export interface OnlyConnection {
  /** True if a transaction is open, whoever began it. */
  hasOpenTransaction(driver: object): boolean
  /** Sends the second statement if the first one, a SELECT, finds nothing. */
  insertUnlessThere(driver: object, select: Sql, insert: Sql): Promise<void>
  /** After a row was inserted: throws if it is part of a transaction that `hasOpenTransaction` does not know of. */
  refuseUnknownTransaction?(driver: object): Promise<void>
  /** Selects a row if there is a table of the name, in lower case, that is its parameter. */
  readonly tableByName: string
  /** Gives back a query runner that was made for a statement beside those of the application. */
  release(queryRunner: QueryRunner): Promise<void>
}
