import { KmsUnavailableError } from '../errors'

/** Milliseconds for which calls fail at once after a time-out; then one tries again. */
const PAUSE = 1_000
/** A call that fails later than this without an answer costs its caller as much as a time-out does. */
const LONG = 1_000

/**
 * How long to wait for the key service. No call goes on for longer than the time-out. After a call that waited long
 * for nothing, the others do not wait as well: for a moment they fail at once, then one of them tries again while the
 * others still fail, until one is answered. Whoever answers is waited for, however slow and however long the queue.
 *
 * No circuit breaker of npm fits; see docs/decisions/0007.
 */
export class Patience {
  readonly #timeout: number
  #lastAnswer = Number.NEGATIVE_INFINITY
  /** Set while calls fail at once: when one may try again. */
  #pausedUntil: number | undefined
  #trying = false

  /** `timeout` in milliseconds. */
  constructor(timeout: number) {
    this.#timeout = timeout
  }

  /** Something was answered, if only a refusal. */
  answered(): void {
    this.#lastAnswer = performance.now()
    this.#pausedUntil = undefined
  }

  /**
   * Runs a call. When its time is over the signal is aborted and the promise rejected with `KmsUnavailableError`,
   * whether or not the call heeds the signal.
   */
  async limit<T>(operation: string, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const began = performance.now()
    const tries = this.#pausedUntil !== undefined
    if (tries && (this.#trying || began < (this.#pausedUntil ?? 0))) throw this.#paused(operation)
    if (tries) this.#trying = true
    try {
      return await this.#within(operation, call)
    } finally {
      if (tries) this.#trying = false
      this.#ended(began, tries)
    }
  }

  #within<T>(operation: string, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController()
    let timer: NodeJS.Timeout | undefined
    const over = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(this.#over(operation))
        controller.abort()
      }, this.#timeout)
    })
    return Promise.race([call(controller.signal), over]).finally(() => {
      clearTimeout(timer)
    })
  }

  /** Pauses if nothing was answered since a call began that took long. One that hangs beside others changes nothing. */
  #ended(began: number, tried: boolean): void {
    const now = performance.now()
    // A timer may fire a millisecond early.
    const isLong = now - began >= Math.min(LONG, this.#timeout - 5)
    if (this.#lastAnswer >= began || !isLong) return
    if (this.#pausedUntil === undefined || tried) this.#pausedUntil = now + Math.min(PAUSE, this.#timeout)
  }

  #over(operation: string): KmsUnavailableError {
    return new KmsUnavailableError(
      `KMS did not answer ${operation} within ${this.#timeout.toLocaleString('en')} ms (the timeout option). Check the network, the endpoint and AWS's status; the operation can be repeated.`,
    )
  }

  #paused(operation: string): KmsUnavailableError {
    return new KmsUnavailableError(
      `${operation} was not sent, because KMS did not answer the last call. One call at a time tries again, and the others fail at once until one is answered. Check the network, the endpoint and AWS's status; the operation can be repeated.`,
    )
  }
}
