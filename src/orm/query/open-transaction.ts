import { TransactionLostError } from '../../errors'
import { beginsTransaction, endOfTransaction } from './end-of-transaction'

/** The place of a statement in its transaction. */
export interface PlaceInTransaction {
  /** `undefined` if it may be sent at once; else resolves when it may, and rejects if it must not be. */
  readonly clear: (() => Promise<void>) | undefined
  /** Follows what becomes of the statement, and gives it back. */
  readonly end: <T>(passed: Promise<T>) => Promise<T>
}

/**
 * The transaction of a query runner, on a database that may end it with a statement that fails and takes the next one
 * as one of its own, which is committed at once: MySQL does for a deadlock
 * (https://dev.mysql.com/doc/refman/en/innodb-error-handling.html). TypeORM sends the updates of a save side by side
 * there, so those behind the one that failed are on their way by then. A statement that stores encrypted values
 * therefore waits until those before it are answered; and where one of them failed, the database is asked whether the
 * transaction is still there.
 */
export class OpenTransaction {
  readonly #isOpen: () => Promise<boolean>
  #underWay = 0
  #last: Promise<unknown> = Promise.resolve()
  #hasFailed = false
  /** By a statement of whoever began it: what follows is meant to be stored by itself. */
  #hasEnded = false

  /** @param isOpen asks the database. */
  constructor(isOpen: () => Promise<boolean>) {
    this.#isOpen = isOpen
  }

  enter(sql: string): PlaceInTransaction {
    if (endOfTransaction(sql)?.isWhole === true) this.#hasEnded = true
    else if ((this.#hasFailed || this.#hasEnded) && beginsTransaction(sql))
      this.#hasFailed = this.#hasEnded = false
    const isClear = this.#hasEnded || (this.#underWay === 0 && !this.#hasFailed)
    const before = this.#last
    let leave: () => void = () => undefined
    this.#last = new Promise<void>((resolve) => (leave = resolve))
    this.#underWay++
    const answered = (): void => {
      this.#underWay--
      leave()
    }
    const failed = (): void => {
      this.#hasFailed = true
      answered()
    }
    return {
      clear: isClear ? undefined : () => this.#clear(before),
      end: (passed) => {
        passed.then(answered, failed)
        return passed
      },
    }
  }

  async #clear(before: Promise<unknown>): Promise<void> {
    await before
    if (!this.#hasFailed) return
    if (!(await this.#isOpen())) {
      throw new TransactionLostError(
        'the database rolled the transaction back when a statement before this one failed, so that this one would be stored outside of it. It was not sent. Repeat the transaction.',
      )
    }
    this.#hasFailed = false
  }
}
