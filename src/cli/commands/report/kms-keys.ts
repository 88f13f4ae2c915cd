import { type KMSClient } from '@aws-sdk/client-kms'
import { KmsEncryptionError } from '../../../errors'
import { KeyAdministration } from '../../../kms/aws/key-administration'
import { type KeyInfo } from '../../../kms/aws/key-info'
import { FairQueue } from '../../../kms/fair-queue'
import { type ReportedColumn, type ReportedKmsKey } from '../../../report/report'
import { rotationOf } from '../keys/key-view'

/** Keys that KMS is asked about: with a key per tenant there may be thousands. */
const ASKED = 50
const PARALLEL = 10

/** The KMS keys that columns are configured for and that values are under, those of most rows first. */
export async function reportedKmsKeys(
  columns: readonly ReportedColumn[],
  client: KMSClient | undefined,
): Promise<ReportedKmsKey[]> {
  const rows = new Map<string, number>()
  for (const { kmsKey, holds } of columns) {
    if (kmsKey !== undefined && !rows.has(kmsKey)) rows.set(kmsKey, 0)
    for (const { kmsKey: under, rows: more } of holds?.keys ?? [])
      rows.set(under, (rows.get(under) ?? 0) + more)
  }
  const names = [...rows.keys()].sort((a, b) => (rows.get(b) ?? 0) - (rows.get(a) ?? 0))
  const known = client
    ? await described(names.filter(isKeyId).slice(0, ASKED), client)
    : new Map<string, KeyInfo>()
  const keys = new Map<string, ReportedKmsKey>()
  for (const name of names) {
    const info = known.get(name)
    const arn = info?.arn ?? name
    const before = keys.get(arn)
    const configuredFor = columns.filter(({ kmsKey }) => kmsKey === name).map((column) => column.name)
    keys.set(arn, {
      name: arn,
      aliases: info?.aliases ?? [],
      state: info?.state,
      rotation: info && (rotationOf(info) || undefined),
      created: info?.created,
      deletion: info?.deletion,
      rows: (rows.get(name) ?? 0) + (before?.rows ?? 0),
      configuredFor: [...(before?.configuredFor ?? []), ...configuredFor],
    })
  }
  return [...keys.values()]
}

/** A key tag is no name that KMS knows. */
function isKeyId(name: string): boolean {
  return !name.startsWith('key tag ')
}

/** What KMS tells of keys. The application need not be allowed to ask: then nothing is told. */
async function described(names: readonly string[], client: KMSClient): Promise<Map<string, KeyInfo>> {
  const administration = new KeyAdministration(client)
  const queue = new FairQueue(PARALLEL)
  const found = await Promise.all(
    names.map((name) =>
      queue.run(async (): Promise<[string, KeyInfo][]> => {
        try {
          return [[name, await administration.describe(name)]]
        } catch (error) {
          if (error instanceof KmsEncryptionError) return []
          throw error
        }
      }),
    ),
  )
  return new Map(found.flat())
}
