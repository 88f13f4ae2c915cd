import { CreateAliasCommand, CreateKeyCommand, type KMSClient } from '@aws-sdk/client-kms'
import { LocalKms } from 'typeorm-kms-encrypted/local-kms'

export const KEY = 'alias/bench'
/** Milliseconds that the embedded KMS takes for an answer where calls count; AWS takes about as long. */
export const LATENCY = 10

export interface BenchKms {
  kms: LocalKms
  client: KMSClient
  keyArn: string
}

/** The embedded KMS with one key, answering at once. */
export async function startKms(): Promise<BenchKms> {
  const kms = new LocalKms({ quiet: true })
  const client = kms.client()
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  await client.send(new CreateAliasCommand({ AliasName: KEY, TargetKeyId: KeyMetadata!.KeyId }))
  return { kms, client, keyArn: KeyMetadata!.Arn! }
}
