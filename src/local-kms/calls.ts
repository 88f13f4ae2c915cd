/** One request that reached the embedded KMS. Neither its parameters nor its answer are kept. */
export interface LocalKmsCall {
  /** The operation's name in the API, such as `GenerateDataKey`. */
  readonly operation: string
  /** The Region that it was for. */
  readonly region: string
  /** When it came in, by the KMS's clock. */
  readonly time: Date
  /**
   * `ok`, the exception's name, `refused` or `hung` during an outage, or `aborted` by the caller while the
   * answer was delayed.
   */
  readonly outcome: string
}

/**
 * The requests so far, oldest first, each added when it has been answered (one that hangs: when it came in).
 *
 * @example
 * await repository.find()
 * expect(kms.calls.count('Decrypt')).toBe(1)
 */
export class LocalKmsCalls extends Array<LocalKmsCall> {
  /** `filter`, `map` and the like make plain arrays. */
  static override get [Symbol.species](): ArrayConstructor {
    return Array
  }

  /** How many requests there were, to one operation or in all. Failed ones and retries count. */
  count(operation?: string): number {
    return operation === undefined ? this.length : this.filter((call) => call.operation === operation).length
  }

  /** Forgets all requests so far. */
  reset(): void {
    this.length = 0
  }
}
