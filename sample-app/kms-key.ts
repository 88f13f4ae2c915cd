import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
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

export async function disableKey(arn: string): Promise<void> {
  await client.send(new DisableKeyCommand({ KeyId: arn }))
}

export async function enableKey(arn: string): Promise<void> {
  await client.send(new EnableKeyCommand({ KeyId: arn }))
}

/** Returns when the key will be deleted. Until then that can be cancelled. */
export async function scheduleDeletion(arn: string, days: number): Promise<Date> {
  const command = new ScheduleKeyDeletionCommand({ KeyId: arn, PendingWindowInDays: days })
  const { DeletionDate } = await client.send(command)
  if (!DeletionDate) throw new Error('KMS scheduled the deletion with no date')
  return DeletionDate
}

/** Keeps the key after all. KMS leaves it disabled, so it is enabled as well. */
export async function cancelDeletion(arn: string): Promise<void> {
  await client.send(new CancelKeyDeletionCommand({ KeyId: arn }))
  await enableKey(arn)
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
