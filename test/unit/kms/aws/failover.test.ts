import {
  CreateAliasCommand,
  CreateKeyCommand,
  DisableKeyCommand,
  type KMSClient,
  ReplicateKeyCommand,
} from '@aws-sdk/client-kms'
import {
  KeyDisabledError,
  KmsUnavailableError,
  ThrottledError,
  WrongContextError,
} from '../../../../src/errors'
import { AwsKms } from '../../../../src/kms/aws/aws-kms'
import { inRegion, isSameKey } from '../../../../src/kms/aws/key-arn'
import { TrustedKeys } from '../../../../src/kms/aws/trusted-keys'
import { LocalKms } from '../../../../src/local-kms'

const [OWN, REPLICA] = ['us-east-1', 'eu-west-1'] as const
const CONTEXT = { table: 'user' }
/** So long that only a Region that hangs needs its half. */
const TIMEOUT = 4_000

interface Stage {
  local: LocalKms
  kms: AwsKms
  /** Of the key in the own Region, and in the other. */
  arn: string
  replica: string
}

async function setUp({ replicated = true, trusted = [] as string[] } = {}): Promise<Stage> {
  const local = new LocalKms({ regions: [REPLICA], quiet: true })
  const clients = [OWN, REPLICA].map((region) => local.client({ region, maxAttempts: 1 }))
  const [own, there] = clients as [(typeof clients)[0], (typeof clients)[0]]
  const { KeyMetadata } = await own.send(new CreateKeyCommand({ MultiRegion: true }))
  const { KeyId, Arn: arn = '' } = KeyMetadata!
  await own.send(new CreateAliasCommand({ AliasName: 'alias/app', TargetKeyId: KeyId }))
  if (replicated) {
    await own.send(new ReplicateKeyCommand({ KeyId, ReplicaRegion: REPLICA }))
    await there.send(new CreateAliasCommand({ AliasName: 'alias/app', TargetKeyId: KeyId }))
  }
  const trustedKeys = new TrustedKeys(trusted.length === 0 ? undefined : trusted)
  const kms = new AwsKms({ client: clients, concurrency: 20, timeout: TIMEOUT, trustedKeys })
  local.calls.reset()
  return { local, kms, arn, replica: arn.replace(OWN, REPLICA) }
}

describe('Calls with clients of several Regions', () => {
  test('stay in the own Region while it answers', async () => {
    const { local, kms, arn } = await setUp()
    const { encrypted, keyReference } = await kms.generateDataKey(arn, CONTEXT)
    expect(keyReference).toBe(arn)
    await kms.decrypt(encrypted, CONTEXT)
    expect(local.calls.map(({ region }) => region)).toEqual([OWN, OWN])
  })

  test.each([
    ['its ARN', ({ arn }: Stage) => arn],
    ['the ARN of its replica', ({ replica }: Stage) => replica],
    ['its id', ({ arn }: Stage) => arn.split('/')[1] ?? ''],
    ['an alias', () => 'alias/app'],
    ['the ARN of an alias', ({ arn }: Stage) => arn.replace(/key\/.*/, 'alias/app')],
  ])('go to the replica when the own Region is out, with the key named by %s', async (_, nameOf) => {
    const stage = await setUp()
    const { local, kms, arn, replica } = stage
    const before = await kms.encrypt(arn, Buffer.from('x'), CONTEXT)
    local.misbehave({ outage: true, regions: OWN })
    const made = await kms.generateDataKey(nameOf(stage), CONTEXT)
    expect(made.keyReference).toBe(replica)
    expect((await kms.decrypt(before.ciphertext, CONTEXT)).plaintext.toString()).toBe('x')
    expect((await kms.decrypt(before.ciphertext, CONTEXT, { keyReference: arn })).keyReference).toBe(replica)
    local.misbehave({})
    expect((await kms.decrypt(made.encrypted, CONTEXT)).plaintext).toEqual(made.plaintext)
  })

  test('share one time-out, and lose none after the first of a Region that hangs', async () => {
    const { local, kms, arn } = await setUp()
    const { encrypted } = await kms.generateDataKey(arn, CONTEXT)
    local.misbehave({ outage: 'hang', regions: OWN })
    await kms.decrypt(encrypted, CONTEXT)
    await Promise.all(Array.from({ length: 50 }, () => kms.decrypt(encrypted, CONTEXT)))
    // After the first, one at a time tries again, a second apart.
    const hung = local.calls.filter(({ outcome }) => outcome === 'hung')
    expect(hung.length).toBeGreaterThan(0)
    expect(hung.length).toBeLessThan(10)
    local.misbehave({})
  })

  test.each([
    ['throttles', { throttle: 1 }, ThrottledError],
    ['fails on its side', { fail: () => 'KMSInternalException' }, KmsUnavailableError],
  ])('go on where a Region %s, and name what both said', async (_, faults, Class) => {
    const { local, kms, arn } = await setUp()
    local.misbehave({ ...faults, regions: OWN })
    await expect(kms.encrypt(arn, Buffer.from('x'), CONTEXT)).resolves.toBeDefined()
    local.misbehave(faults)
    const failed = kms.encrypt(arn, Buffer.from('x'), CONTEXT)
    await expect(failed).rejects.toBeInstanceOf(Class)
    await expect(failed).rejects.toThrow(/The other Regions did not help: eu-west-1 KMS_/)
  })

  test('name a Region by what it is where it has no name, and keep the cause of the own one', async () => {
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
    const send = (): Promise<never> => Promise.reject(cause)
    const region = (): Promise<never> => Promise.reject(new Error('Region is missing'))
    const client = [0, 1].map(() => ({ send, config: { region } }) as unknown as KMSClient)
    const kms = new AwsKms({ client, concurrency: 1, trustedKeys: new TrustedKeys(undefined) })
    const failed = kms.encrypt('alias/app', Buffer.from('x'), CONTEXT)
    await expect(failed).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE', cause })
    await expect(failed).rejects.toThrow('did not help: a Region without a name: KMS_UNAVAILABLE (KMS could')
  })

  test('have nothing to tell of other Regions where there is one', async () => {
    const local = new LocalKms({ quiet: true })
    const client = local.client({ maxAttempts: 1 })
    const kms = new AwsKms({ client, concurrency: 1, trustedKeys: new TrustedKeys(undefined) })
    local.misbehave({ outage: true })
    const failed = kms.encrypt('alias/app', Buffer.from('x'), CONTEXT)
    await expect(failed).rejects.toBeInstanceOf(KmsUnavailableError)
    await expect(failed).rejects.not.toThrow(/other Regions/)
  })

  test('do not take the alias of another Region for one of their own', async () => {
    const { kms, arn } = await setUp()
    const elsewhere = arn.replace(OWN, REPLICA).replace(/key\/.*/, 'alias/app')
    await expect(kms.encrypt(elsewhere, Buffer.from('x'), CONTEXT)).rejects.toMatchObject({
      code: 'KMS_REGION',
    })
  })

  test('do not get round a key that was disabled', async () => {
    const { local, kms, arn } = await setUp()
    await local.client().send(new DisableKeyCommand({ KeyId: arn }))
    local.calls.reset()
    await expect(kms.encrypt(arn, Buffer.from('x'), CONTEXT)).rejects.toBeInstanceOf(KeyDisabledError)
    expect(local.calls.map(({ region }) => region)).toEqual([OWN])
  })

  test('believe a replica that refuses a value, and no replica that lacks the key', async () => {
    const { local, kms, arn } = await setUp()
    const { ciphertext } = await kms.encrypt(arn, Buffer.from('x'), CONTEXT)
    local.misbehave({ outage: true, regions: OWN })
    await expect(kms.decrypt(ciphertext, { table: 'other' })).rejects.toBeInstanceOf(WrongContextError)
    const lacking = await setUp({ replicated: false })
    const sealed = await lacking.kms.encrypt(lacking.arn, Buffer.from('x'), CONTEXT)
    lacking.local.misbehave({ outage: true, regions: OWN })
    const failed = lacking.kms.decrypt(sealed.ciphertext, CONTEXT)
    await expect(failed).rejects.toBeInstanceOf(KmsUnavailableError)
    await expect(failed).rejects.toThrow(/eu-west-1 KMS_ACCESS_DENIED/)
  })

  test('trust a multi-Region key in all its Regions', async () => {
    const { local, kms, arn } = await setUp({ trusted: ['arn:aws:kms:ap-south-1:111122223333:key/mrk-1'] })
    await expect(kms.generateDataKey(arn, CONTEXT)).rejects.toMatchObject({ code: 'KMS_KEY_UNTRUSTED' })
    const trusting = new AwsKms({
      client: [local.client({ region: OWN, maxAttempts: 1 }), local.client({ region: REPLICA })],
      concurrency: 1,
      trustedKeys: new TrustedKeys([arn]),
    })
    local.misbehave({ outage: true, regions: OWN })
    await expect(trusting.generateDataKey(arn, CONTEXT)).resolves.toBeDefined()
  })

  test('tell of a ciphertext that it is under the key already, whatever its Region', async () => {
    const { local, kms, arn } = await setUp()
    local.misbehave({ outage: true, regions: OWN })
    const { ciphertext } = await kms.encrypt(arn, Buffer.from('x'), CONTEXT)
    local.misbehave({})
    expect(await kms.reEncrypt(ciphertext, CONTEXT, arn, CONTEXT)).toMatchObject({ wasUnderIt: true })
  })
})

describe('The ARN of a key', () => {
  const key = (region: string, id = 'mrk-1', account = '111122223333') =>
    `arn:aws:kms:${region}:${account}:key/${id}`

  test.each<[string, string, string, boolean]>([
    ['the same', key('a-b-1', '1'), key('a-b-1', '1'), true],
    ['two Regions of a multi-Region key', key('a-b-1'), key('c-d-1'), true],
    ['two Regions of other keys', key('a-b-1', '1'), key('c-d-1', '1'), false],
    ['two accounts', key('a-b-1'), key('a-b-1', 'mrk-1', '444455556666'), false],
    ['two multi-Region keys', key('a-b-1'), key('a-b-1', 'mrk-2'), false],
  ])('names one key or two: %s', (_, one, other, same) => {
    expect(isSameKey(one, other)).toBe(same)
  })

  test.each<[string, string, boolean, string]>([
    ['a multi-Region key', key('a-b-1'), false, key('c-d-1')],
    ['another key', key('a-b-1', '1'), true, key('a-b-1', '1')],
    ['an id', 'mrk-1', true, 'mrk-1'],
    ['an alias', 'alias/app', true, 'alias/app'],
    [
      'the ARN of an alias',
      'arn:aws:kms:a-b-1:111122223333:alias/app',
      false,
      'arn:aws:kms:a-b-1:111122223333:alias/app',
    ],
    [
      'the ARN of an alias, for a replica',
      'arn:aws:kms:a-b-1:111122223333:alias/app',
      true,
      'arn:aws:kms:c-d-1:111122223333:alias/app',
    ],
  ])('is read in another Region: %s', async (_, name, aliases, expected) => {
    expect(await inRegion(name, () => Promise.resolve('c-d-1'), { aliases })).toBe(expected)
  })
})
