import { type DataSource } from 'typeorm'
import { keyTag } from '../../../cipher/format'
import { KeyNotFoundError } from '../../../errors'
import { ifAllowed, type KeyAdministration } from '../../../kms/aws/key-administration'
import { type KeyInfo } from '../../../kms/aws/key-info'
import { columnStatus } from '../../../migration'
import { type BoundColumn } from '../../../orm/bound-column'
import { boundColumns } from '../../../orm/bound-columns'

/** What one encrypted column has to do with a KMS key. */
export interface KeyUsage {
  /** `Entity.property`. */
  column: string
  /** Values under the key. */
  rows: number
  /** Values of which only KMS knows the key: blobs of other programs, and formats of later releases. */
  untold: number
  /** The application encrypts new values of the column under the key. */
  configured: boolean
}

export function isInUse({ rows, untold, configured }: KeyUsage): boolean {
  return rows > 0 || untold > 0 || configured
}

/** Asks the database about each encrypted column of a DataSource: one grouped query per column. */
export async function keyUsage(
  dataSource: DataSource,
  key: KeyInfo,
  keys: KeyAdministration,
): Promise<KeyUsage[]> {
  const tags = new Set(key.related.map((arn) => keyTag(arn).toString('hex')))
  const resolve = resolver(keys)
  const usages: KeyUsage[] = []
  for (const column of encryptedColumns(dataSource)) {
    const { target, propertyPath } = placeOf(column)
    const { ciphertext, bare, unknown } = await columnStatus(dataSource, target, propertyPath)
    const under = ciphertext.filter((count) => tags.has(count.keyTag))
    const arn = await resolve(column.recipe.keyId)
    usages.push({
      column: column.name,
      rows: under.reduce((sum, count) => sum + count.rows, 0),
      untold: bare + unknown,
      configured: arn !== undefined && key.related.includes(arn),
    })
  }
  return usages
}

/** Each encrypted column that has rows of its own; entities over the same table share them. */
export function encryptedColumns(dataSource: DataSource): BoundColumn[] {
  const columns = dataSource.entityMetadatas
    .filter(({ tableType }) => tableType !== 'view')
    .flatMap((metadata) => boundColumns(metadata))
  return Array.from(new Map(columns.reverse().map((column) => [column.cell, column])).values()).reverse()
}

export function placeOf({ metadata }: BoundColumn): { target: string; propertyPath: string } {
  return { target: metadata.entityMetadata.name, propertyPath: metadata.propertyPath }
}

/** ARNs of key ids and aliases, each asked for once; `undefined` for a key that is not in this account and region. */
function resolver(keys: KeyAdministration): (keyId: string) => Promise<string | undefined> {
  const known = new Map<string, string | undefined>()
  return async (keyId) => {
    if (!known.has(keyId)) {
      const metadata = await ifAllowed(keys.metadata(keyId)).catch((error: unknown) => {
        if (error instanceof KeyNotFoundError) return undefined
        throw error
      })
      known.set(keyId, metadata?.Arn)
    }
    return known.get(keyId)
  }
}
