import { publishedContext } from '../../access'
import { type CallOutcome, channels, type KmsCallEvent } from '../../diagnostics'

/** Calls to KMS since the start, by operation. */
export interface KmsCallCounts {
  GenerateDataKey: number
  Encrypt: number
  Decrypt: number
  ReEncrypt: number
}

/** Calls of one operation with one outcome. */
export interface KmsOutcome {
  calls: number
  /** Time that they took together, retries included. */
  milliseconds: number
}

/** By operation, then by outcome: `ok`, or the `code` of the error. */
export type KmsOutcomes = Partial<Record<keyof KmsCallCounts, Readonly<Record<string, Readonly<KmsOutcome>>>>>

/** What AWS charges for a request to a symmetric key, in US dollars; https://aws.amazon.com/kms/pricing/ */
export const USD_PER_REQUEST = 0.03 / 10_000

/** Counts and times the calls to KMS, and tells whoever listens. */
export class CallLog {
  readonly calls: KmsCallCounts = { GenerateDataKey: 0, Encrypt: 0, Decrypt: 0, ReEncrypt: 0 }
  /** Requests that were sent; with repetitions by the AWS SDK there are more than calls. */
  requests = 0
  readonly #outcomes = new Map<keyof KmsCallCounts, Map<string, KmsOutcome>>()

  get outcomes(): KmsOutcomes {
    return Object.fromEntries(
      Array.from(this.#outcomes, ([operation, byOutcome]) => [
        operation,
        Object.fromEntries(Array.from(byOutcome, ([outcome, sums]) => [outcome, { ...sums }])),
      ]),
    )
  }

  /** Counts a call. What is returned is to be called with what became of it, and what was answered or thrown. */
  start(
    call: Pick<KmsCallEvent, 'operation' | 'keyId' | 'waited'>,
  ): (outcome: CallOutcome, answer: unknown) => void {
    this.calls[call.operation]++
    const started = performance.now()
    const context = publishedContext()
    return (outcome, answer) => {
      const milliseconds = performance.now() - started
      this.#ended({
        ...call,
        outcome,
        milliseconds,
        attempts: attemptsOf(answer),
        ...(context && { context }),
      })
    }
  }

  #ended(event: KmsCallEvent): void {
    const { operation, outcome, milliseconds, attempts } = event
    this.requests += attempts
    let byOutcome = this.#outcomes.get(operation)
    if (!byOutcome) this.#outcomes.set(operation, (byOutcome = new Map<string, KmsOutcome>()))
    const sums = byOutcome.get(outcome) ?? { calls: 0, milliseconds: 0 }
    byOutcome.set(outcome, { calls: sums.calls + 1, milliseconds: sums.milliseconds + milliseconds })
    if (channels.kmsCall.hasSubscribers) channels.kmsCall.publish(event)
  }
}

/** How often the SDK sent a request, as its answer or its error says. */
function attemptsOf(answer: unknown): number {
  const { $metadata } = (answer ?? {}) as { $metadata?: { attempts?: number } }
  return $metadata?.attempts ?? 1
}
