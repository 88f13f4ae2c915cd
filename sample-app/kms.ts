import { KMSClient } from '@aws-sdk/client-kms'
import { LocalKms } from 'typeorm-kms-encrypted/local-kms'
import { keyFile } from './files'

export const ALIAS = 'alias/typeorm-kms-sample'

/** `KMS_KEY_ID` names a key (id, ARN or alias) that exists already, in the KMS that the AWS SDK finds. */
const givenKeyId = process.env['KMS_KEY_ID'] || undefined

/** The KMS key of the sample's columns. */
export const keyId = givenKeyId ?? ALIAS

/** Without `KMS_KEY_ID`, a KMS inside this process: no server and no AWS account needed. */
export const embeddedKms = givenKeyId === undefined ? new LocalKms({ file: keyFile, quiet: true }) : undefined

/**
 * A real `KMSClient` in either case. Region, credentials and endpoint come from the AWS SDK's usual places:
 * `AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL_KMS` and so on.
 */
export const client =
  embeddedKms?.client() ??
  new KMSClient({ requestHandler: { connectionTimeout: 3_000, requestTimeout: 10_000 } })

const endpoint = process.env['AWS_ENDPOINT_URL_KMS'] || process.env['AWS_ENDPOINT_URL']

/**
 * Whether the sample may disable the key and schedule its deletion for a moment: its own key, or one of a KMS for
 * development on this machine. A key of AWS may have other users.
 */
export const mayDisableKey = embeddedKms !== undefined || isOnThisMachine(endpoint)

/** For people: which KMS this is. */
export const kmsName = embeddedKms
  ? 'embedded, in this process (for development only: its keys are not protected)'
  : (endpoint ?? 'AWS KMS')

function isOnThisMachine(url: string | undefined): boolean {
  if (url === undefined || !URL.canParse(url)) return false
  const { protocol, hostname } = new URL(url)
  return protocol === 'http:' && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
}
