import { KmsException, unsupported } from '../exception'
import { Key } from '../key'
import { arnOfKey } from '../key-identifier'
import { readKeySpec } from '../key-spec'
import { type MultiRegion } from '../multi-region'
import { readPage } from '../page'
import { isObject, type RequestFields } from '../request-fields'
import { KEY_ID, type Operation } from './operation'
import { putTags, readTags } from './tags'

const DESCRIPTION = { max: 8192 } as const

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html */
export const createKey: Operation = (input, { store, now }) => {
  const description = input.optionalString('Description', DESCRIPTION) ?? ''
  const policy = input.optionalString('Policy', { min: 1, max: 131072 })
  const spec = readKeySpec(input)
  const tags = readTags(input)
  input.optionalBoolean('BypassPolicyLockoutSafetyCheck')
  const multiRegion = input.optionalBoolean('MultiRegion') === true
  input.check()
  refuseOtherOrigins(input)
  if (policy !== undefined) requirePolicyDocument(policy)
  const given = { ...spec(), description, createdAt: now, tags: [] }
  const { location } = store
  const regionsOf = multiRegion
    ? (keyId: string): MultiRegion<Key> => store.multiRegion(keyId, location.region)
    : undefined
  const key = Key.create(given, (keyId) => arnOfKey(location, keyId), regionsOf)
  putTags(key, tags)
  store.add(key)
  store.commit()
  return { KeyMetadata: key.metadata(store.location.accountId) }
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html */
export const describeKey: Operation = (input, { store, operation }) => {
  const keyId = input.string('KeyId', KEY_ID)
  input.check()
  return { KeyMetadata: store.find(keyId, operation).metadata(store.location.accountId) }
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyLastUsage.html */
export const getKeyLastUsage: Operation = (input, { store, operation }) => {
  const keyId = input.string('KeyId', KEY_ID)
  input.check()
  const key = store.findKey(keyId, operation)
  const created = key.createdAt / 1000
  const { lastUsage } = key
  return {
    KeyId: key.keyId,
    KeyLastUsage: lastUsage ? { Operation: lastUsage.operation, Timestamp: lastUsage.at / 1000 } : {},
    // It has kept account of every key from the beginning.
    TrackingStartDate: created,
    KeyCreationDate: created,
  }
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeys.html */
export const listKeys: Operation = (input, { store, operation }) => {
  const page = readPage(input, operation, 100)
  input.check()
  const { items, rest } = page(store.keys, (key) => key.keyId)
  return { Keys: items.map((key) => ({ KeyId: key.keyId, KeyArn: key.arn })), ...rest }
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_UpdateKeyDescription.html */
export const updateKeyDescription: Operation = (input, { store, operation }) => {
  const keyId = input.string('KeyId', KEY_ID)
  const description = input.string('Description', DESCRIPTION)
  input.check()
  const key = store.findKey(keyId, operation)
  key.requireNotPendingDeletion()
  key.description = description
  store.commit()
  return undefined
}

function refuseOtherOrigins(input: RequestFields): void {
  const origin = input.optionalString('Origin', {
    values: ['AWS_KMS', 'EXTERNAL', 'AWS_CLOUDHSM', 'EXTERNAL_KEY_STORE'],
  })
  input.check()
  if (origin !== undefined && origin !== 'AWS_KMS') {
    throw unsupported(`Origin ${origin} is not supported by the embedded KMS.`)
  }
  for (const field of ['CustomKeyStoreId', 'XksKeyId']) {
    if (input.has(field)) throw unsupported(`${field} is not supported by the embedded KMS.`)
  }
}

/** Key policies are accepted for their form and not enforced. */
export function requirePolicyDocument(policy: string): void {
  try {
    if (isObject(JSON.parse(policy))) return
  } catch {
    // Not JSON: refused below.
  }
  throw new KmsException('MalformedPolicyDocumentException', 'The policy is not a JSON document.')
}
