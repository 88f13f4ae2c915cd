import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  GenerateDataKeyWithoutPlaintextCommand,
  type KeyListEntry,
  type KeyMetadata,
  paginateListKeys,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { ALIAS, client, keyId } from './kms'

/*
 * What an administrator does with the KMS key. The application itself needs none of this: its role is allowed
 * GenerateDataKey, Encrypt and Decrypt.
 */

export async function createKey(): Promise<void> {
  const { KeyMetadata } = await client.send(
    new CreateKeyCommand({ Description: 'Private keys of the users of the sample app' }),
  )
  await client.send(new CreateAliasCommand({ AliasName: ALIAS, TargetKeyId: KeyMetadata?.KeyId }))
}

/** A key to move to. Returns its ARN. */
export async function createSecondKey(): Promise<string> {
  const { KeyMetadata } = await client.send(new CreateKeyCommand({ Description: 'The next key' }))
  if (!KeyMetadata?.Arn) throw new Error('KMS made a key with no ARN')
  return KeyMetadata.Arn
}

export async function describeKey(): Promise<KeyMetadata> {
  const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId: keyId }))
  if (!KeyMetadata) throw new Error('KMS described the key with no metadata')
  return KeyMetadata
}

export async function listKeys(): Promise<KeyListEntry[]> {
  const keys: KeyListEntry[] = []
  for await (const page of paginateListKeys({ client }, {})) keys.push(...(page.Keys ?? []))
  return keys
}

export async function disableKey(id: string): Promise<void> {
  await client.send(new DisableKeyCommand({ KeyId: id }))
}

export async function enableKey(id: string): Promise<void> {
  await client.send(new EnableKeyCommand({ KeyId: id }))
}

/** Returns when the key will be deleted. Until then that can be cancelled. */
export async function scheduleDeletion(id: string, days: number): Promise<Date> {
  const command = new ScheduleKeyDeletionCommand({ KeyId: id, PendingWindowInDays: days })
  const { DeletionDate } = await client.send(command)
  if (!DeletionDate) throw new Error('KMS scheduled the deletion with no date')
  return DeletionDate
}

/** Keeps the key after all. KMS leaves it disabled, so it is enabled as well. */
export async function cancelDeletion(id: string): Promise<void> {
  await client.send(new CancelKeyDeletionCommand({ KeyId: id }))
  await enableKey(id)
}

/** Whether KMS works under the key in its present state. Not all that stand in for AWS KMS look at the state. */
export async function isUsable(id: string): Promise<boolean> {
  const command = new GenerateDataKeyWithoutPlaintextCommand({ KeyId: id, KeySpec: 'AES_256' })
  return client.send(command).then(
    () => true,
    () => false,
  )
}

/** The answer, or `undefined` where the role is not allowed to ask. */
export async function ifAllowed<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof Error && error.name === 'AccessDeniedException') return undefined
    throw error
  }
}
