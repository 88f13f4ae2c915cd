import { type KMSClient } from '@aws-sdk/client-kms'
import { KmsEncryptionError } from '../errors'
import { AwsKms } from '../kms/aws/aws-kms'
import { KeyAdministration } from '../kms/aws/key-administration'
import { inRegion } from '../kms/aws/key-arn'
import { relatedArns } from '../kms/aws/key-info'
import { type BoundColumn } from '../orm/bound-column'

/**
 * ARN of the column's key, and of its replicas in other Regions. Not being allowed to ask is no reason to stop: then
 * the key tag is shown.
 */
export async function knownKeys(column: BoundColumn, keyId = configuredKeyId(column)): Promise<string[]> {
  if (keyId === undefined) return []
  const client = clientOf(column)
  if (!client || (keyId.startsWith('arn:') && !keyId.includes('/mrk-'))) return [keyId]
  try {
    const here = await inRegion(keyId, () => client.config.region(), { aliases: false })
    return relatedArns(await new KeyAdministration(client).metadata(here))
  } catch {
    return keyId.startsWith('arn:') ? [keyId] : []
  }
}

/** The KMS key of all rows, also where a function names it for them; `undefined` where it names one for each row. */
export function configuredKeyId({ recipes }: BoundColumn): string | undefined {
  const [context] = recipes.contexts
  if (recipes.keyId !== undefined || !context || context.perRow.length > 0) return recipes.keyId
  try {
    return recipes.keyIdFor(context.fixed)
  } catch (error) {
    if (error instanceof KmsEncryptionError) return undefined
    throw error
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
