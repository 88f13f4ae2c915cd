import { type Mark, type StoredKeys } from '../../cipher/data-keys/stored-keys'
import { beginsTransaction, type EndOfTransaction, endOfTransaction } from '../query/end-of-transaction'

/** A statement that is to be sent. */
interface Watched {
  readonly sql: string
  readonly end: EndOfTransaction | undefined
  /** From before values of suite 4 are sealed, for this statement or for later ones. */
  readonly mark: Mark | undefined
}

/**
 * Watches over the stored data keys that the statements of one query runner seal values under: that they last as long
 * as it takes to store the values, and that a transaction which lost the row of a key is not committed.
 */
export class KeyWatch {
  readonly #keys: StoredKeys
  /** Of the first values that were sealed since the last transaction ended. */
  #sealed: Mark | undefined

  constructor(keys: StoredKeys) {
    this.#keys = keys
  }

  /** False for a statement that stores no value and ends nothing, while no key depends on an open transaction. */
  concerns(sql: string): boolean {
    return this.#keys.store.isTentative || beginsTransaction(sql) || endOfTransaction(sql) !== undefined
  }

  async send<T>({ sql, end, mark }: Watched, send: () => Promise<T>): Promise<T> {
    if (end) return this.#end(end, send)
    // What was sealed before it was stored by then.
    if (this.#sealed && beginsTransaction(sql)) this.#sealed = undefined
    if (mark) this.#sealed ??= mark
    try {
      const answer = await send()
      if (mark && this.#keys.isOverdue(mark)) await this.#keys.confirm(mark)
      return answer
    } catch (error) {
      // A deadlock's victim, for one, is rolled back whole, and goes on as if it were not.
      this.#keys.current.dropTentative()
      throw error
    }
  }

  async #end<T>({ isCommit, isWhole }: EndOfTransaction, send: () => Promise<T>): Promise<T> {
    const { current } = this.#keys
    const mark = this.#sealed
    if (isCommit) {
      await current.verifyTentative()
      if (mark && this.#keys.isOverdue(mark)) await this.#keys.confirm(mark)
    }
    const sent = this.#keys.mark()
    try {
      const answer = await send()
      if (isCommit) current.settle(isWhole)
      else current.dropTentative()
      if (isWhole) this.#sealed = undefined
      // It was held up on its way.
      if (isCommit && mark && this.#keys.isOverdue(sent)) await this.#keys.confirm(mark)
      return answer
    } catch (error) {
      current.dropTentative()
      throw error
    }
  }
}
