import { type KeyMetadata } from '@aws-sdk/client-kms'

/** A KMS key as an administrator sees it. */
export interface KeyInfo {
  id: string
  arn: string
  /** Names of its aliases, sorted, each with `alias/`. */
  aliases: readonly string[]
  description: string
  /** Who manages it: only CUSTOMER keys can be administered. */
  manager: 'AWS' | 'CUSTOMER' | undefined
  /** `Enabled`, `Disabled`, `PendingDeletion` …; `undefined` where DescribeKey is not allowed. */
  state: string | undefined
  spec: string | undefined
  usage: string | undefined
  rotation: Rotation
  created: Date | undefined
  /** When it will be deleted, if that is scheduled. */
  deletion: Date | undefined
  /** ARNs of the replicas of a multi-Region key, its own included: each opens what the others sealed. */
  related: readonly string[]
}

/** Automatic rotation; `undefined` where it is not known or does not apply. */
export type Rotation = { enabled: boolean; periodInDays?: number; next?: Date } | undefined

/** True for the only kind of key that can encrypt columns. */
export function isSymmetricEncryptionKey({ spec, usage }: Pick<KeyInfo, 'spec' | 'usage'>): boolean {
  return spec === 'SYMMETRIC_DEFAULT' && usage === 'ENCRYPT_DECRYPT'
}

export function keyInfo(
  metadata: KeyMetadata & { Arn: string },
  aliases: readonly string[],
  rotation: Rotation,
): KeyInfo {
  const { KeyId, Arn } = metadata
  return {
    id: KeyId ?? idOfArn(Arn),
    arn: Arn,
    aliases,
    description: metadata.Description ?? '',
    manager: metadata.KeyManager,
    state: metadata.KeyState,
    spec: metadata.KeySpec,
    usage: metadata.KeyUsage,
    rotation,
    created: metadata.CreationDate,
    deletion: metadata.DeletionDate,
    related: relatedArns(metadata),
  }
}

/** The ARN of a key, and of its replicas if it is a multi-Region key. */
export function relatedArns({ Arn, MultiRegionConfiguration: regions }: KeyMetadata): string[] {
  const related = [regions?.PrimaryKey, ...(regions?.ReplicaKeys ?? [])].map((key) => key?.Arn)
  return [...new Set([Arn, ...related])].filter((arn) => arn !== undefined)
}

/** What is known of a key that only ListKeys tells of. */
export function undescribedKey(arn: string, aliases: readonly string[]): KeyInfo {
  return keyInfo({ KeyId: undefined, Arn: arn }, aliases, undefined)
}

export function idOfArn(arn: string): string {
  return arn.slice(arn.indexOf('/') + 1)
}
