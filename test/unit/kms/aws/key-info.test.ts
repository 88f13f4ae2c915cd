import { CreateKeyCommand, DescribeKeyCommand, ReplicateKeyCommand } from '@aws-sdk/client-kms'
import {
  idOfArn,
  isSymmetricEncryptionKey,
  keyInfo,
  relatedArns,
  undescribedKey,
} from '../../../../src/kms/aws/key-info'
import { LocalKms } from '../../../../src/local-kms'

const ARN = 'arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab'
const ID = '1234abcd-12ab-34cd-56ef-1234567890ab'

test.each([
  ['SYMMETRIC_DEFAULT', 'ENCRYPT_DECRYPT', true],
  ['RSA_2048', 'ENCRYPT_DECRYPT', false],
  ['SYMMETRIC_DEFAULT', 'GENERATE_VERIFY_MAC', false],
  ['HMAC_256', 'GENERATE_VERIFY_MAC', false],
  [undefined, undefined, false],
] as const)('A key of %s for %s can encrypt columns: %s', (spec, usage, can) => {
  expect(isSymmetricEncryptionKey({ spec, usage })).toBe(can)
})

test('The id of a key is what follows in its ARN', () => {
  expect(idOfArn(ARN)).toBe(ID)
  expect(idOfArn('arn:aws:kms:us-east-1:111122223333:key/mrk-1')).toBe('mrk-1')
})

test('A key of which only its ARN is known has its id, and nothing that was not asked', () => {
  expect(undescribedKey(ARN, ['alias/app'])).toEqual({
    id: ID,
    arn: ARN,
    aliases: ['alias/app'],
    description: '',
    related: [ARN],
  })
})

test('What KMS says of a key is told as it is', () => {
  const [created, deletion] = [new Date(1), new Date(2)]
  const rotation = { enabled: true }
  const metadata = {
    KeyId: ID,
    Arn: ARN,
    Description: 'for the app',
    KeyManager: 'AWS',
    KeyState: 'PendingDeletion',
    KeySpec: 'SYMMETRIC_DEFAULT',
    KeyUsage: 'ENCRYPT_DECRYPT',
    CreationDate: created,
    DeletionDate: deletion,
  } as const
  expect(keyInfo(metadata, ['alias/a'], rotation)).toEqual({
    id: ID,
    arn: ARN,
    aliases: ['alias/a'],
    description: 'for the app',
    manager: 'AWS',
    state: 'PendingDeletion',
    spec: 'SYMMETRIC_DEFAULT',
    usage: 'ENCRYPT_DECRYPT',
    rotation,
    created,
    deletion,
    related: [ARN],
  })
})

describe('The ARNs under which a key opens what was sealed', () => {
  test('are those of a multi-Region key in all its Regions, its own first, each once', async () => {
    const local = new LocalKms({ regions: ['eu-west-1', 'ap-south-1'] })
    const client = local.client()
    const { KeyMetadata } = await client.send(new CreateKeyCommand({ MultiRegion: true }))
    const { KeyId, Arn = '' } = KeyMetadata ?? {}
    for (const ReplicaRegion of ['eu-west-1', 'ap-south-1'])
      await client.send(new ReplicateKeyCommand({ KeyId, ReplicaRegion }))
    const [there, further] = ['eu-west-1', 'ap-south-1'].map((region) => Arn.replace('us-east-1', region))
    const arnsIn = async (region: string): Promise<string[]> => {
      const answer = await local.client({ region }).send(new DescribeKeyCommand({ KeyId }))
      return relatedArns(answer.KeyMetadata!)
    }
    expect(await arnsIn('us-east-1')).toEqual([Arn, there, further])
    const ofReplica = await arnsIn('eu-west-1')
    expect(ofReplica[0]).toBe(there)
    expect([...ofReplica].sort()).toEqual([Arn, there, further].sort())
  })

  test('are its own, of a key of one Region', () => {
    expect(relatedArns({ KeyId: ID, Arn: ARN })).toEqual([ARN])
  })

  const other = ARN.replace('us-east-1', 'eu-west-1')
  test.each<[string, object, string[]]>([
    ['no replicas', { PrimaryKey: { Arn: other } }, [ARN, other]],
    ['no primary key', { ReplicaKeys: [{ Arn: other }] }, [ARN, other]],
    ['keys without an ARN', { PrimaryKey: { Region: 'x' }, ReplicaKeys: [{}, { Arn: other }] }, [ARN, other]],
  ])('are those that an answer with %s names', (_, MultiRegionConfiguration, arns) => {
    expect(relatedArns({ KeyId: ID, Arn: ARN, MultiRegionConfiguration })).toEqual(arns)
  })

  test('are none, of an answer that names none', () => {
    expect(relatedArns({ KeyId: ID })).toEqual([])
  })
})
