import { invalid, KmsException, unsupported } from '../exception'
import { Key } from '../key'
import { arnOfKey } from '../key-identifier'
import { requirePolicyDocument } from './keys'
import { KEY_ID, type Operation } from './operation'
import { putTags, readTags } from './tags'

const REGION = { min: 1, max: 32, pattern: /^([a-z]+-){2,3}\d+$/ } as const

/**
 * The replica is there at once; at AWS its state is `Creating` for a while.
 *
 * https://docs.aws.amazon.com/kms/latest/APIReference/API_ReplicateKey.html
 */
export const replicateKey: Operation = (input, { store, account, now, operation }) => {
  const keyId = input.string('KeyId', KEY_ID)
  const region = input.string('ReplicaRegion', REGION)
  const policy = input.optionalString('Policy', { min: 1, max: 131072 })
  const description = input.optionalString('Description', { max: 8192 }) ?? ''
  const tags = readTags(input)
  input.optionalBoolean('BypassPolicyLockoutSafetyCheck')
  input.check()
  if (policy !== undefined) requirePolicyDocument(policy)
  const key = store.findKey(keyId, operation)
  key.requireEnabled()
  if (!key.regions || key.isReplica) throw unsupported(`${key.arn} is not a multi-Region primary key.`)
  if (region === store.location.region) throw invalid('The replica Region is the Region of the primary key.')
  const there = account.storeIn(region)
  if (!there) throw unsupported(`The embedded KMS was not told of the Region ${region} (option regions).`)
  if (there.byId(key.keyId)) {
    const arn = arnOfKey(there.location, key.keyId)
    throw new KmsException('AlreadyExistsException', `${arn} already exists`)
  }
  const { keySpec, keyUsage } = key
  const replica = new Key(
    {
      keyId: key.keyId,
      arn: arnOfKey(there.location, key.keyId),
      description,
      keySpec,
      keyUsage,
      createdAt: now,
      state: 'Enabled',
      tags: [],
      materials: [],
    },
    there.multiRegion(key.keyId, store.location.region),
  )
  putTags(replica, tags)
  there.add(replica)
  store.commit()
  const { accountId } = there.location
  return {
    ReplicaKeyMetadata: { ...replica.metadata(accountId), KeyState: 'Creating', Enabled: false },
    ReplicaPolicy: policy ?? defaultPolicy(accountId),
    ReplicaTags: tags.map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
  }
}

/** What AWS gives a key for which no policy was named. */
function defaultPolicy(accountId: string): string {
  const statement = {
    Sid: 'Enable IAM User Permissions',
    Effect: 'Allow',
    Principal: { AWS: `arn:aws:iam::${accountId}:root` },
    Action: 'kms:*',
    Resource: '*',
  }
  return JSON.stringify({ Version: '2012-10-17', Id: 'key-default-1', Statement: [statement] })
}
