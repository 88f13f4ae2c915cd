import { KmsUnavailableError } from '../errors'

/** Milliseconds for which calls fail at once after a time-out; then one tries again. */
const PAUSE = 1_000
/** Milliseconds for which whoever tries again waits for the answer. KMS mostly answers within 50. */
const TRIAL = 250
/** A call that fails later than this without an answer costs its caller as much as a time-out does. */
const LONG = 1_000

/** One call on its way. */
export interface Attempt {
  readonly signal: AbortSignal
  /** True once its caller was told that it failed: nobody sees to its answer any more. */
  readonly isGivenUp: boolean
}

type Call<T> = (attempt: Attempt) => Promise<T>

/**
 * How long to wait for the key service. No call goes on for longer than the time-out. After one that waited long for
 * nothing, no other waits as well: for a pause, calls fail at once; then one tries again. Its caller waits for a moment
 * only, since others may wait with it, each holding a connection to the database; the call itself has its whole time,
 * and when it is answered all is as before. Whoever answers is waited for, however slow and however long the queue.
 *
 * No circuit breaker of npm fits; see docs/decisions/0011-waiting-for-kms.md.
 */
export class Patience {
  readonly #timeout: number
  readonly #named: string
  #lastAnswer = Number.NEGATIVE_INFINITY
  /** Set while calls fail at once: when one may try again. */
  #pausedUntil: number | undefined
  #isTrying = false

  /** `timeout` in milliseconds; `named`: what it is, for messages. */
  constructor(timeout: number, named = 'the timeout option') {
    this.#timeout = timeout
    this.#named = named
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
  limit<T>(operation: string, call: Call<T>): Promise<T> {
    if (this.#pausedUntil === undefined) return this.#run(operation, call).result
    if (this.#isTrying || performance.now() < this.#pausedUntil) return Promise.reject(paused(operation))
    return this.#tryAgain(operation, call)
  }

  async #tryAgain<T>(operation: string, call: Call<T>): Promise<T> {
    this.#isTrying = true
    const { result, giveUp } = this.#run(operation, call)
    const ended = result.finally(() => {
      this.#isTrying = false
    })
    ended.catch(() => undefined)
    return orElse(ended, Math.min(TRIAL, this.#timeout / 4), () => {
      giveUp()
      return paused(operation)
    })
  }

  #run<T>(operation: string, call: Call<T>): { result: Promise<T>; giveUp: () => void } {
    const began = performance.now()
    const controller = new AbortController()
    const attempt = { signal: controller.signal, isGivenUp: false }
    const giveUp = (): void => {
      attempt.isGivenUp = true
    }
    const answer = orElse(call(attempt), this.#timeout, () => {
      giveUp()
      controller.abort()
      return this.#over(operation)
    })
    const result = answer.catch((error: unknown) => {
      this.#failed(began)
      throw error
    })
    return { result, giveUp }
  }

  /** Pauses if nothing was answered since a call began that took long. One that hangs beside others changes nothing. */
  #failed(began: number): void {
    const now = performance.now()
    // A timer may fire a millisecond early.
    const tookLong = now - began >= Math.min(LONG, this.#timeout - 5)
    if (!tookLong || this.#lastAnswer >= began) return
    if (this.#pausedUntil === undefined || this.#isTrying) {
      this.#pausedUntil = now + Math.min(PAUSE, this.#timeout)
    }
  }

  #over(operation: string): KmsUnavailableError {
    return new KmsUnavailableError(
      `KMS did not answer ${operation} within ${this.#timeout.toLocaleString('en')} ms (${this.#named}). Check the network, the endpoint and AWS's status; the operation can be repeated.`,
    )
  }
}

function paused(operation: string): KmsUnavailableError {
  return new KmsUnavailableError(
    `KMS did not answer the calls before this ${operation}. One at a time tries again, and the others fail at once until one is answered. Check the network, the endpoint and AWS's status; the operation can be repeated.`,
  )
}

/** The promise, or what `late` makes of it if it takes longer. */
async function orElse<T>(promise: Promise<T>, milliseconds: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(late())
    }, milliseconds)
  })
  try {
    return await Promise.race([promise, over])
  } finally {
    clearTimeout(timer)
  }
}
