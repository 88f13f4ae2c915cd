import { type KMSClient } from '@aws-sdk/client-kms'
import { type Recipe } from '../../../cipher/cipher'
import { type EncryptionContext } from '../../../cipher/context'
import { AccessDeniedError, KmsEncryptionError } from '../../../errors'
import { toKmsEncryptionError } from '../../../kms/aws/error-mapping'
import { KeyAdministration } from '../../../kms/aws/key-administration'
import { inRegion } from '../../../kms/aws/key-arn'
import { isSymmetricEncryptionKey } from '../../../kms/aws/key-info'
import { type KeyService } from '../../../kms/key-service'
import { type BoundColumn } from '../../../orm/bound-column'
import { indexKeyPlace } from '../../index-key'
import { ClockWatch } from './clock'
import { failureOf, type Finding, finding } from './finding'

/**
 * Can KMS be reached, are the keys usable, and may this process use them? All calls are
 * harmless. `isReplica`: the client's Region is
 * asked where the own one cannot be.
 */
export async function kmsFindings(
  columns: readonly BoundColumn[],
  client: KMSClient,
  service: (column: BoundColumn) => KeyService,
  { isReplica = false, file = 'ormconfig.ts' }: { isReplica?: boolean; file?: string } = {},
): Promise<Finding[]> {
  const reachable = await identityFindings(client)
  if (reachable.some(({ level }) => level === 'problem')) return reachable
  const clock = new ClockWatch(client)
  const here = (keyId: string): Promise<string> =>
    inRegion(keyId, () => client.config.region(), { aliases: isReplica })
  const keys = await Promise.all(
    [...new Set(columns.flatMap(({ recipes }) => recipes.keyId ?? []))].map(async (keyId) =>
      keyFinding(client, await here(keyId)),
    ),
  )
  const permissions = await Promise.all(
    Array.from(distinctUses(columns), async (column) => {
      const keyId = await here(column.recipe.keyId)
      return permissionFinding({ ...column.recipe, keyId }, service(column))
    }),
  )
  const indexKey = await indexKeyFindings(columns, service, file)
  return [...reachable, ...keys, ...permissions, ...indexKey, ...clock.findings()]
}

/** Does the key of blind indexes open that stands in the options, and is it under the key of the columns? */
async function indexKeyFindings(
  columns: readonly BoundColumn[],
  service: (column: BoundColumn) => KeyService,
  file: string,
): Promise<Finding[]> {
  const [first] = columns
  const place = first && (await indexKeyPlace(columns, file, { kms: service(first) }))
  if (!place) return []
  const { kmsKey, remark } = place
  if (remark === undefined) return [finding('KMS', 'ok', `indexKey opens, and is under ${kmsKey ?? ''}`)]
  return [finding('KMS', kmsKey === undefined ? 'problem' : 'warning', remark)]
}

async function identityFindings(client: KMSClient): Promise<Finding[]> {
  const region = () => client.config.region()
  const attempt = async (what: string, ask: () => Promise<string>): Promise<Finding> => {
    try {
      return finding('KMS', 'ok', `${what}: ${await ask()}`)
    } catch (error) {
      return failureOf(
        'KMS',
        what,
        await toKmsEncryptionError(error, { operation: what, keyId: undefined, region }),
      )
    }
  }
  const findings = [await attempt('region', region)]
  const credentials = await attempt('credentials', async () => {
    const { accessKeyId, expiration } = await client.config.credentials()
    return `access key ${accessKeyId.slice(0, 4)}…${expiration ? `, until ${expiration.toISOString()}` : ''}`
  })
  return [...findings, credentials]
}

/** State and type. The application itself does not need kms:DescribeKey, so its lack is no problem. */
async function keyFinding(client: KMSClient, keyId: string): Promise<Finding> {
  try {
    const { Arn, KeyState, KeySpec, KeyUsage, DeletionDate } = await new KeyAdministration(client).metadata(
      keyId,
    )
    const name = keyId === Arn ? keyId : `${keyId} (${Arn})`
    if (!isSymmetricEncryptionKey({ spec: KeySpec, usage: KeyUsage })) {
      return finding(
        'KMS',
        'problem',
        `the key ${name} is ${KeySpec ?? '?'}, ${KeyUsage ?? '?'}; columns need SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT.`,
        'typeorm-kms keys create makes such a key.',
      )
    }
    if (KeyState === 'Enabled') return finding('KMS', 'ok', `the key ${name} is enabled`)
    const deletion = DeletionDate ? `, and will be deleted on ${DeletionDate.toISOString().slice(0, 10)}` : ''
    const remedy = DeletionDate
      ? `typeorm-kms keys cancel-deletion ${keyId}, then typeorm-kms keys enable ${keyId}`
      : `typeorm-kms keys enable ${keyId}`
    return finding(
      'KMS',
      'problem',
      `the key ${name} is ${KeyState ?? '?'}${deletion}: nothing under it can be read or written.`,
      remedy,
    )
  } catch (error) {
    if (!(error instanceof AccessDeniedError)) return failureOf('KMS', `the key ${keyId}`, error)
    return finding(
      'KMS',
      'note',
      `the key ${keyId}: its state is not known, because kms:DescribeKey is not allowed. The application does not need that.`,
    )
  }
}

/** One column for each way in which KMS is asked: policies may depend on operation, key and encryption context. */
function distinctUses(columns: readonly BoundColumn[]): Iterable<BoundColumn> {
  const uses = new Map<string, BoundColumn>()
  for (const column of columns) {
    // What depends on the row cannot be tried out without one.
    if (!column.recipes.constant) continue
    const { mode, keyId, scope } = column.recipe
    const id = [mode, keyId, mode === 'direct' ? column.cell : scope.contextKey].join('\0')
    if (!uses.has(id)) uses.set(id, column)
  }
  return uses.values()
}

/** Makes a data key, or encrypts one byte, as the application does, and decrypts it again. */
async function permissionFinding(recipe: Recipe, kms: KeyService): Promise<Finding> {
  const { mode, keyId, scope } = recipe
  const context = mode === 'direct' ? scope.directContext : scope.context
  const operation = mode === 'direct' ? 'Encrypt' : 'GenerateDataKey'
  const place = `on ${keyId} under ${describe(context)}`
  try {
    const encrypted = await throwaway(recipe, kms)
    const { plaintext } = await kms.decrypt(encrypted, context)
    plaintext.fill(0)
    return finding('KMS', 'ok', `${operation} and Decrypt are allowed ${place}`)
  } catch (error) {
    if (!(error instanceof KmsEncryptionError)) throw error
    return failureOf('KMS', `${operation} and Decrypt ${place}`, error)
  }
}

async function throwaway({ mode, keyId, scope }: Recipe, kms: KeyService): Promise<Uint8Array> {
  if (mode === 'direct') return (await kms.encrypt(keyId, Buffer.alloc(1), scope.directContext)).ciphertext
  const { plaintext, encrypted } = await kms.generateDataKey(keyId, scope.context)
  plaintext.fill(0)
  return encrypted
}

function describe(context: EncryptionContext): string {
  return `{ ${Object.entries(context)
    .map(([name, value]) => `${name}: ${value}`)
    .join(', ')} }`
}
