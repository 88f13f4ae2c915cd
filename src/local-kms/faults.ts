import { KmsException } from './exception'
import { type Location } from './key-identifier'

/**
 * How an embedded KMS is to misbehave. Faults act in this order: latency, outage, `deny`, `throttle`, `fail`.
 */
export interface LocalKmsFaults {
  /** Delay before every answer, in milliseconds, or a function of the operation's name. */
  latency?: number | ((operation: string) => number)
  /** Share of calls, 0 to 1, answered with `ThrottlingException`. The SDK retries those. */
  throttle?: number
  /** `true` or `'refuse'`: the connection is refused (over a port: reset). `'hang'`: no answer, ever. */
  outage?: boolean | 'refuse' | 'hang'
  /** Operations answered with `AccessDeniedException`. */
  deny?: string | readonly string[]
  /**
   * Names an exception to answer with, or `undefined` to let the call through. `callNumber` counts the calls
   * of that operation from 1 since these faults were set.
   */
  fail?: (operation: string, callNumber: number) => string | undefined
  /** The Regions in which it misbehaves; all of them if none is named. */
  regions?: string | readonly string[]
}

/** The Regions that the faults name. */
export function faultRegions({ regions = [] }: LocalKmsFaults): readonly string[] {
  return typeof regions === 'string' ? [regions] : regions
}

/** What the faults make of one call. */
export interface Verdict {
  /** Milliseconds to wait first. */
  latency: number
  outage: 'refuse' | 'hang' | undefined
  exception: KmsException | undefined
}

const HEALTHY: Verdict = { latency: 0, outage: undefined, exception: undefined }

/** The faults in force. Throws when they are set wrongly, so that a typing error does not pass for health. */
export class Faults {
  readonly #faults: LocalKmsFaults
  readonly #denied: ReadonlySet<string>
  readonly #calls = new Map<string, number>()
  readonly #location: Location

  constructor(faults: LocalKmsFaults, location: Location) {
    const { throttle = 0, deny = [] } = faults
    if (!(throttle >= 0 && throttle <= 1))
      throw new RangeError(`throttle must be between 0 and 1, not ${throttle}`)
    if (typeof faults.latency === 'number') requireDelay(faults.latency)
    this.#faults = faults
    this.#denied = new Set(typeof deny === 'string' ? [deny] : deny)
    this.#location = location
  }

  /** Decides about one call and counts it. */
  judge(operation: string, region: string): Verdict {
    const regions = faultRegions(this.#faults)
    if (regions.length > 0 && !regions.includes(region)) return HEALTHY
    const { latency = 0, outage } = this.#faults
    const callNumber = (this.#calls.get(operation) ?? 0) + 1
    this.#calls.set(operation, callNumber)
    return {
      latency: typeof latency === 'number' ? latency : requireDelay(latency(operation)),
      outage: outage === true ? 'refuse' : outage === false ? undefined : outage,
      exception: this.#exceptionFor(operation, callNumber),
    }
  }

  #exceptionFor(operation: string, callNumber: number): KmsException | undefined {
    const { throttle = 0, fail } = this.#faults
    if (this.#denied.has(operation)) return denied(operation, this.#location)
    if (Math.random() < throttle) return new KmsException('ThrottlingException', THROTTLED)
    const name = fail?.(operation, callNumber)
    return name === undefined
      ? undefined
      : new KmsException(name, name === 'ThrottlingException' ? THROTTLED : '')
  }
}

const THROTTLED = 'You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.'

const denied = (operation: string, { accountId, region }: Location) =>
  new KmsException(
    'AccessDeniedException',
    `User: arn:aws:iam::${accountId}:user/local is not authorized to perform: kms:${operation} ` +
      `on resource: arn:aws:kms:${region}:${accountId}:key/* because no identity-based policy allows the kms:${operation} action`,
  )

function requireDelay(latency: number): number {
  if (latency >= 0 && Number.isFinite(latency)) return latency
  throw new RangeError(`latency must be milliseconds, 0 or more, not ${latency}`)
}
