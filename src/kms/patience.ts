import { KmsUnavailableError } from '../errors'

/**
 * How long to wait for KMS: no call goes on for longer than the time-out, and where nothing was answered for that
 * long, calls that waited for their turn all the while are not even sent. A long queue before a KMS that answers is
 * left alone.
 */
export class Patience {
  readonly #timeout: number
  #lastAnswer = Number.NEGATIVE_INFINITY

  /** `timeout` in milliseconds. */
  constructor(timeout: number) {
    this.#timeout = timeout
  }

  /** KMS has answered something, if only to refuse. */
  answered(): void {
    this.#lastAnswer = performance.now()
  }

  /**
   * Runs a call that was asked for at `asked` (of `performance.now()`). When its time is over the signal is aborted
   * and the promise rejected with `KmsUnavailableError`, whether or not the call heeds the signal.
   */
  async limit<T>(operation: string, asked: number, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const left = Math.max(asked, this.#lastAnswer) + this.#timeout - performance.now()
    if (left <= 0) throw this.#over(operation)
    const controller = new AbortController()
    let timer: NodeJS.Timeout | undefined
    const over = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(this.#over(operation))
        controller.abort()
      }, left)
    })
    try {
      return await Promise.race([call(controller.signal), over])
    } finally {
      clearTimeout(timer)
    }
  }

  #over(operation: string): KmsUnavailableError {
    return new KmsUnavailableError(
      `KMS did not answer ${operation} within ${this.#timeout.toLocaleString('en')} ms (the timeout option). Check the network, the endpoint and AWS's status; the operation can be repeated.`,
    )
  }
}
