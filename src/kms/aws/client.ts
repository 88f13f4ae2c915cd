import { KMSClient, type KMSClientConfig } from '@aws-sdk/client-kms'

/** Milliseconds for one call with its retries, where the application does not say; see docs/decisions/0011-waiting-for-kms.md. */
export const DEFAULT_TIMEOUT = 5_000

/**
 * A client of the AWS default chain that gives up a connection early enough to try once more within the time-out: a
 * connection that a firewall dropped in silence is the likeliest to hang, and the next one works. Without
 * `throwOnRequestTimeout` the SDK only warns of the time-out.
 */
export function defaultClient(timeout = DEFAULT_TIMEOUT, config: KMSClientConfig = {}): KMSClient {
  return new KMSClient({
    requestHandler: {
      connectionTimeout: Math.ceil(timeout / 5),
      requestTimeout: Math.ceil((timeout * 2) / 5),
      throwOnRequestTimeout: true,
    },
    ...config,
  })
}
