/**
 * Keeps the statements of a query runner in the order in which TypeORM issued them. It sends those of one save side
 * by side, and when one fails, a ROLLBACK: which must not overtake a statement that waits for KMS, because that
 * would then be sent outside of the transaction.
 */
export class Order {
  #last: Promise<unknown> | undefined

  get isWaiting(): boolean {
    return this.#last !== undefined
  }

  /** Waits for what a statement waits for, and until all statements before it could be sent. */
  async next<T>(ready: T | Promise<T>): Promise<T> {
    const turn = Promise.allSettled([ready, this.#last])
    this.#last = turn
    const [outcome] = await turn
    if (this.#last === turn) this.#last = undefined
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  }
}
