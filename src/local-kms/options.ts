/** Options of {@link LocalKms}. */
export interface LocalKmsOptions {
  /** The region in its ARNs. Default: that of the key file, else `us-east-1`. */
  region?: string
  /**
   * Other Regions of the same account, for multi-Region keys: each has keys and aliases of its own, and a request is for
   * the Region that it is signed for. Requests for a Region that is not named here are answered as for `region`.
   */
  regions?: readonly string[]
  /** The account in its ARNs, 12 digits. Default: that of the key file, else `111122223333`. */
  accountId?: string
  /**
   * Keeps keys and aliases in this JSON file, key material in clear, mode 0600. Its folder must exist. One
   * process at a time. Without it, keys live as long as the object.
   */
  file?: string
  /** The clock, in milliseconds since 1970. Default: `Date.now`. */
  now?: () => number
  /** No warning on stderr. */
  quiet?: boolean
  /**
   * What its ciphertext blobs look like: `aws` (default) have the outline of AWS's; `opaque` look like nothing known,
   * as those of another KMS may. For tests that nothing depends on the outline.
   */
  blobs?: 'aws' | 'opaque'
}

export const DEFAULT_REGION = 'us-east-1'
export const DEFAULT_ACCOUNT = '111122223333'

/** @throws TypeError for a region or account id that no ARN could hold. */
export function requireLocation(region: string, accountId: string): void {
  if (!/^[a-z]+(-[a-z]+)+-\d+$/.test(region)) throw new TypeError(`Not an AWS region: '${region}'`)
  if (!/^\d{12}$/.test(accountId)) throw new TypeError(`An AWS account id has 12 digits: '${accountId}'`)
}
