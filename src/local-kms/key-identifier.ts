import { KmsException, notFound } from './exception'

/** Where a KMS is: the part that its ARNs share. */
export interface Location {
  readonly region: string
  readonly accountId: string
}

/** A `KeyId` parameter, read: a key's id or an alias's name. */
export type KeyIdentifier = { key: string } | { alias: string }

/** A UUID, or the id of a multi-Region key, which is the same in all its Regions. */
const KEY_ID = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/

export const arnOfKey = ({ region, accountId }: Location, keyId: string) =>
  `arn:aws:kms:${region}:${accountId}:key/${keyId}`

export const arnOfAlias = ({ region, accountId }: Location, name: string) =>
  `arn:aws:kms:${region}:${accountId}:${name}`

/**
 * Reads a key id, key ARN, alias name or alias ARN.
 *
 * @throws `NotFoundException` for what cannot be an identifier or belongs to another region,
 *   `AccessDeniedException` for another account: no key policy there allows this caller.
 */
export function parseKeyIdentifier(text: string, location: Location, operation: string): KeyIdentifier {
  const resource = text.startsWith('arn:') ? resourceOf(text, location, operation) : text
  if (resource.startsWith('alias/')) return { alias: resource }
  const keyId = resource === text ? text : resource.replace(/^key\//, '')
  if (!KEY_ID.test(keyId)) throw notFound(`Invalid keyId '${text}'`)
  return { key: keyId }
}

function resourceOf(arn: string, location: Location, operation: string): string {
  const [, partition, service, region, accountId, ...resource] = arn.split(':')
  if (partition !== 'aws' || service !== 'kms' || resource.length === 0) throw notFound(`Invalid arn ${arn}`)
  if (region !== location.region) throw notFound(`Invalid arn ${region ?? ''}`)
  if (accountId !== location.accountId) throw notAuthorised(location, operation, `resource: ${arn}`)
  return resource.join(':')
}

/** The `AccessDeniedException` for a resource that this caller may not use or that is not there. */
export function notAuthorised({ accountId }: Location, operation: string, resource: string): KmsException {
  return new KmsException(
    'AccessDeniedException',
    `User: arn:aws:iam::${accountId}:user/local is not authorized to perform: kms:${operation} on ${resource} ` +
      'because the resource does not exist in this Region, no resource-based policies allow access, ' +
      'or a resource-based policy explicitly denies access',
  )
}
