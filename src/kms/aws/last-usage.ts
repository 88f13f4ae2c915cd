import * as sdk from '@aws-sdk/client-kms'

/** When a KMS key was used last. */
export interface LastUsage {
  /** The operation that succeeded last, and when; `undefined` if there was none since `trackedSince`. */
  operation: string | undefined
  at: Date | undefined
  /** KMS keeps no record of what was before. */
  trackedSince: Date | undefined
}

/**
 * Asks KMS when a key was used last; `undefined` where that is not known: an SDK of before 2026 cannot ask, the caller
 * may not, or what answers is not AWS.
 *
 * Source: https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyLastUsage.html
 */
export async function lastUsage(client: sdk.KMSClient, keyId: string): Promise<LastUsage | undefined> {
  try {
    const { KeyLastUsage, TrackingStartDate } = await client.send(
      new sdk.GetKeyLastUsageCommand({ KeyId: keyId }),
    )
    const { Operation: operation, Timestamp: at } = KeyLastUsage ?? {}
    return { operation, at, trackedSince: TrackingStartDate }
  } catch {
    // It is said beside what decides, and decides nothing itself.
    return undefined
  }
}
