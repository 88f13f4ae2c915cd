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
    [...new Set(columns.flatMap((column) => column.recipes.keyId ?? askedOf(column)?.keyId ?? []))].map(
      async (keyId) => keyFinding(client, await here(keyId)),
    ),
  )
  const permissions = await Promise.all(
    Array.from(distinctUses(columns), async ({ column, asked }) =>
      permissionFinding({ ...asked, keyId: await here(asked.keyId) }, service(column)),
    ),
  )
  const indexKey = await indexKeyFindings(columns, service, file)
  const untried = columns.flatMap(untriedFinding)
  return [...reachable, ...keys, ...permissions, ...untried, ...indexKey, ...clock.findings()]
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

/** How KMS is asked for the values of a column: in direct mode for each, else for data keys. */
interface Asked {
  mode: Recipe['mode']
  keyId: string
  context: EncryptionContext
}

/** `undefined` where the encryption context depends on the row (`keyPer`): it cannot be tried out without one. */
function askedOf({ recipes }: BoundColumn): Asked | undefined {
  const { mode } = recipes
  const [context] = recipes.contexts
  if (!context || context.perRow.length > 0) return undefined
  return {
    mode,
    keyId: recipes.keyIdFor(context.fixed),
    context: mode === 'direct' ? context.direct : context.fixed,
  }
}

/** One column for each way in which KMS is asked: policies may depend on operation, key and encryption context. */
function distinctUses(columns: readonly BoundColumn[]): Iterable<{ column: BoundColumn; asked: Asked }> {
  const uses = new Map<string, { column: BoundColumn; asked: Asked }>()
  for (const column of columns) {
    const asked = askedOf(column)
    if (!asked) continue
    const id = JSON.stringify([asked.mode, asked.keyId, Object.entries(asked.context).sort()])
    if (!uses.has(id)) uses.set(id, { column, asked })
  }
  return uses.values()
}

function untriedFinding(column: BoundColumn): Finding[] {
  if (askedOf(column)) return []
  const pairs = column.recipes.contexts[0]?.perRow.map(({ name }) => name) ?? []
  return [
    finding(
      'KMS',
      'note',
      `${column.name}: the permissions were not tried out, because the encryption context has ${pairs.join(', ')} of the row.`,
      'typeorm-kms verify opens every value.',
    ),
  ]
}

/** Makes a data key, or encrypts one byte, as the application does, and decrypts it again. */
async function permissionFinding(asked: Asked, kms: KeyService): Promise<Finding> {
  const { mode, keyId, context } = asked
  const operation = mode === 'direct' ? 'Encrypt' : 'GenerateDataKey'
  const place = `on ${keyId} under ${describe(context)}`
  try {
    const encrypted = await throwaway(asked, kms)
    const { plaintext } = await kms.decrypt(encrypted, context)
    plaintext.fill(0)
    return finding('KMS', 'ok', `${operation} and Decrypt are allowed ${place}`)
  } catch (error) {
    if (!(error instanceof KmsEncryptionError)) throw error
    return failureOf('KMS', `${operation} and Decrypt ${place}`, error)
  }
}

async function throwaway({ mode, keyId, context }: Asked, kms: KeyService): Promise<Uint8Array> {
  if (mode === 'direct') return (await kms.encrypt(keyId, Buffer.alloc(1), context)).ciphertext
  const { plaintext, encrypted } = await kms.generateDataKey(keyId, context)
  plaintext.fill(0)
  return encrypted
}

function describe(context: EncryptionContext): string {
  return `{ ${Object.entries(context)
    .map(([name, value]) => `${name}: ${value}`)
    .join(', ')} }`
}
