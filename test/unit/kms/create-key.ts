import { CreateAliasCommand, CreateKeyCommand, type CreateKeyCommandInput } from '@aws-sdk/client-kms'
import { type LocalKms } from '../../../src/local-kms'

/** Makes a KMS key, with an alias if one is given; returns its ARN. */
export async function createKey(
  kms: LocalKms,
  { alias, ...input }: CreateKeyCommandInput & { alias?: string } = {},
): Promise<string> {
  const client = kms.client()
  const { KeyMetadata } = await client.send(new CreateKeyCommand(input))
  const { KeyId, Arn } = KeyMetadata!
  if (alias !== undefined) await client.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: KeyId }))
  return Arn!
}
