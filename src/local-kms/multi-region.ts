/** The stores of an account, one a Region, as far as a key asks them for its relatives. */
export interface Relatives<Key> {
  key(region: string, keyId: string): Key | undefined
  readonly regions: readonly string[]
}

/**
 * A multi-Region key in one Region: a primary key, or a replica, which has the same id and the same key material, and
 * its own state, aliases, tags and description.
 *
 * Source: https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html
 */
export class MultiRegion<Key extends { readonly arn: string }> {
  readonly #relatives: Relatives<Key>

  constructor(
    readonly keyId: string,
    readonly region: string,
    readonly primaryRegion: string,
    relatives: Relatives<Key>,
  ) {
    this.#relatives = relatives
  }

  get isReplica(): boolean {
    return this.region !== this.primaryRegion
  }

  get primary(): Key | undefined {
    return this.#relatives.key(this.primaryRegion, this.keyId)
  }

  get replicas(): { key: Key; region: string }[] {
    return this.#relatives.regions
      .filter((region) => region !== this.primaryRegion)
      .flatMap((region) => {
        const key = this.#relatives.key(region, this.keyId)
        return key ? [{ key, region }] : []
      })
  }

  /** `MultiRegionConfiguration` of the API. */
  get configuration(): Record<string, unknown> {
    return {
      MultiRegionKeyType: this.isReplica ? 'REPLICA' : 'PRIMARY',
      PrimaryKey: { Arn: this.primary?.arn, Region: this.primaryRegion },
      ReplicaKeys: this.replicas.map(({ key, region }) => ({ Arn: key.arn, Region: region })),
    }
  }
}
