import { type KMSClient } from '@aws-sdk/client-kms'
import { AwsKms } from '../kms/aws/aws-kms'
import { KeyAdministration } from '../kms/aws/key-administration'
import { inRegion } from '../kms/aws/key-arn'
import { relatedArns } from '../kms/aws/key-info'
import { type BoundColumn } from '../orm/bound-column'

/** Keys that KMS is asked about. */
const MAX_ASKED = 100

/**
 * ARNs of the column's keys, and of their replicas in other Regions. Not being allowed to ask is no reason to stop: then
 * the key tags are shown; and so where there are too many keys to ask about.
 */
export async function knownKeys(
  column: BoundColumn,
  keyIds: readonly string[] | undefined = [column.recipes.keyId ?? []].flat(),
): Promise<string[]> {
  if (keyIds.length > MAX_ASKED) return []
  return (await Promise.all(keyIds.map((keyId) => knownKey(column, keyId)))).flat()
}

async function knownKey(column: BoundColumn, keyId: string): Promise<string[]> {
  const client = clientOf(column)
  if (!client || (keyId.startsWith('arn:') && !keyId.includes('/mrk-'))) return [keyId]
  try {
    const here = await inRegion(keyId, () => client.config.region(), { aliases: false })
    return relatedArns(await new KeyAdministration(client).metadata(here))
  } catch {
    return keyId.startsWith('arn:') ? [keyId] : []
  }
}

/** The client of the application's own KMS calls, in its own Region. */
export function clientOf(column: BoundColumn): KMSClient | undefined {
  return clientsOf(column)[0]
}

/** The clients of the application's own KMS calls, that of the own Region first. */
export function clientsOf({ cipher: { kms } }: BoundColumn): readonly KMSClient[] {
  return kms instanceof AwsKms ? kms.clients : []
}
