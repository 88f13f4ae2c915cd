import { type QueryRunner } from 'typeorm'
import { type RowsTransaction } from '../rows/transaction'
import { thenUndo } from '../then-undo'
import { isInTransaction } from './session'

/**
 * A change of a table's structure has ended the transaction that TypeORM began for a migration, and TypeORM does not
 * know. The server tells with every answer whether one is open.
 */
export class MysqlTransaction implements RowsTransaction {
  readonly #queryRunner: QueryRunner
  /** While a pass is under way nobody else ends the transaction around it. */
  #isOpen: boolean | undefined

  constructor(queryRunner: QueryRunner) {
    this.#queryRunner = queryRunner
  }

  async isOpen(): Promise<boolean> {
    if (!this.#queryRunner.isTransactionActive) return false
    return (this.#isOpen ??= (await isInTransaction(this.#queryRunner)) ?? true)
  }

  run(sql: string): Promise<unknown> {
    return this.#queryRunner.query(sql)
  }

  async inSnapshot<T>(work: () => Promise<T>): Promise<T> {
    if (await this.isOpen()) return work()
    await this.run('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ')
    await this.run('START TRANSACTION WITH CONSISTENT SNAPSHOT')
    return thenUndo(work, () => this.run('ROLLBACK'))
  }
}
