import { type KMSClient } from '@aws-sdk/client-kms'
import { Patience } from '../patience'
import { inRegion } from './key-arn'

/** A client of one Region, and how long to wait for it. */
export class RegionalClient {
  readonly patience: Patience
  readonly #client: () => KMSClient
  readonly #isReplica: boolean

  /** `isReplica`: it is asked after another Region. `timeout` in milliseconds, for as many clients as there are shares. */
  constructor(
    client: () => KMSClient,
    { timeout, isReplica, shares }: { timeout: number; isReplica: boolean; shares: number },
  ) {
    this.#client = client
    const named = shares === 1 ? undefined : `one of ${shares} Regions' shares of the timeout option`
    this.patience = new Patience(Math.ceil(timeout / shares), named)
    this.#isReplica = isReplica
  }

  get client(): KMSClient {
    return this.#client()
  }

  region(): Promise<string> {
    return this.client.config.region()
  }

  /** The name of a key in this Region. */
  named(keyId: string): Promise<string> {
    return inRegion(keyId, () => this.region(), { aliases: this.#isReplica })
  }
}
