import { type KMSClient } from '@aws-sdk/client-kms'
import { defaultClient } from '../kms/aws/client'
import { type Arguments, type CommandOptions, UsageError } from './command'

/** Milliseconds for two attempts of one call: nobody else waits for a tool. */
const TIMEOUT = 15_000

/** How the tool reaches KMS; what is not given comes from the AWS default chain. */
export const KMS_OPTIONS = {
  region: { type: 'string', value: 'REGION', help: 'AWS region' },
  profile: { type: 'string', value: 'NAME', help: 'AWS profile' },
  'endpoint-url': { type: 'string', value: 'URL', help: 'another KMS endpoint, e.g. that of local-kms' },
} as const satisfies CommandOptions

export async function withKmsClient<T>(args: Arguments, use: (client: KMSClient) => Promise<T>): Promise<T> {
  const empty = Object.keys(KMS_OPTIONS).find((name) => args.text(name)?.trim() === '')
  if (empty !== undefined) throw new UsageError(`--${empty} is empty`)
  const region = args.text('region')
  const endpoint = args.text('endpoint-url')
  const profile = args.text('profile')
  if (endpoint !== undefined && !(/^https?:/.test(endpoint) && URL.canParse(endpoint))) {
    throw new UsageError('--endpoint-url takes a URL, e.g. http://127.0.0.1:4599')
  }
  // The default chain reads it when it looks for credentials and region.
  if (profile !== undefined) process.env.AWS_PROFILE = profile
  const client = defaultClient(TIMEOUT, {
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
  })
  try {
    return await use(client)
  } finally {
    client.destroy()
  }
}
