import {
  CreateAliasCommand,
  CreateKeyCommand,
  DisableKeyCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { type LocalKms } from '../../../src/local-kms'

/** Makes a symmetric KMS key, with an alias if one is given; returns its ARN. */
export async function createKey(kms: LocalKms, alias?: string): Promise<string> {
  const client = kms.client()
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  const { KeyId, Arn } = KeyMetadata!
  if (alias !== undefined) await client.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: KeyId }))
  return Arn!
}

export async function disableKey(kms: LocalKms, keyId: string): Promise<void> {
  await kms.client().send(new DisableKeyCommand({ KeyId: keyId }))
}

export async function scheduleKeyDeletion(kms: LocalKms, keyId: string): Promise<void> {
  await kms.client().send(new ScheduleKeyDeletionCommand({ KeyId: keyId, PendingWindowInDays: 7 }))
}
