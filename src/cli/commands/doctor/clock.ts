import { type KMSClient } from '@aws-sdk/client-kms'
import { type Finding, finding } from './finding'

/** AWS refuses signatures that are more than five minutes off. */
const REFUSED = 300_000
const NOTICEABLE = 30_000
const NAME = 'typeorm-kms-clock'

/** Compares this machine's clock with KMS's, which is in the `Date` header of each of its answers. */
export class ClockWatch {
  readonly #client: KMSClient
  #skew: number | undefined

  constructor(client: KMSClient) {
    this.#client = client
    client.middlewareStack.add(
      (next) => async (args) => {
        const sent = Date.now()
        const result = await next(args)
        const date = dateOf(result.response)
        // The header has no milliseconds, and was written some time between sending and now.
        if (date !== undefined) this.#skew = (sent + Date.now()) / 2 - date - 500
        return result
      },
      // Closer to the network than the deserializer, so that refusals are seen as well.
      { step: 'deserialize', priority: 'low', name: NAME, override: true },
    )
  }

  /** What the answers so far say; nothing if there were none with a date. */
  findings(): Finding[] {
    this.#client.middlewareStack.remove(NAME)
    if (this.#skew === undefined) return []
    const off = Math.abs(this.#skew)
    const seconds = `${Math.round(off / 1_000).toLocaleString('en')} s ${this.#skew > 0 ? 'ahead of' : 'behind'} KMS's`
    const remedy =
      'synchronise it: timedatectl set-ntp true, or the clock of the host of this container or VM.'
    if (off > REFUSED) {
      return [
        finding(
          'KMS',
          'problem',
          `the clock of this machine is ${seconds}; AWS refuses requests signed more than 5 minutes off.`,
          remedy,
        ),
      ]
    }
    if (off > NOTICEABLE)
      return [finding('KMS', 'warning', `the clock of this machine is ${seconds}.`, remedy)]
    return [finding('KMS', 'ok', 'the clock of this machine agrees with KMS')]
  }
}

function dateOf(response: unknown): number | undefined {
  const { headers } = (response ?? {}) as { headers?: Record<string, string> }
  const text = Object.entries(headers ?? {}).find(([name]) => name.toLowerCase() === 'date')?.[1]
  const date = text === undefined ? NaN : Date.parse(text)
  return Number.isNaN(date) ? undefined : date
}
