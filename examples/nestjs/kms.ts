import { CreateAliasCommand, CreateKeyCommand } from '@aws-sdk/client-kms'
import { type KmsEncryptionOptions } from 'typeorm-kms-encrypted'
import { LocalKms } from 'typeorm-kms-encrypted/local-kms'

/** The key that KMS_KEY_ID names; without one, a KMS inside of this process, which forgets its key when it ends. */
export async function kmsOptions(keyId: string | undefined): Promise<KmsEncryptionOptions> {
  if (keyId !== undefined) return { keyId }
  const kms = new LocalKms({ quiet: true })
  const client = kms.client()
  const { KeyMetadata } = await client.send(new CreateKeyCommand({ Description: 'The NestJS example' }))
  await client.send(new CreateAliasCommand({ AliasName: 'alias/example', TargetKeyId: KeyMetadata?.KeyId }))
  return { keyId: 'alias/example', client }
}
