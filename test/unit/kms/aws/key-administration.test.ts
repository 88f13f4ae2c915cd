import {
  CreateKeyCommand,
  DecryptCommand,
  EncryptCommand,
  type KeySpec,
  type KeyUsageType,
} from '@aws-sdk/client-kms'
import { KeyAdministration } from '../../../../src/kms/aws/key-administration'
import { LocalKms } from '../../../../src/local-kms'
import { createKey } from '../keys'
import { alteredClient, type Changes } from './altered-client'

const NOW = Date.parse('2026-03-01T00:00:00Z')
const DAY = 86_400_000

function setUp(changes: Changes = {}): { local: LocalKms; keys: KeyAdministration } {
  const local = new LocalKms({ now: () => NOW })
  return { local, keys: new KeyAdministration(alteredClient(local, changes)) }
}

const idOf = (arn: string): string => arn.split('/')[1] ?? ''

describe('A KMS key', () => {
  test('is made for encryption, and described with all that is known of it', async () => {
    const { keys } = setUp()
    const arn = await keys.create('for the app')
    expect(await keys.describe(arn)).toEqual({
      id: idOf(arn),
      arn,
      aliases: [],
      description: 'for the app',
      manager: 'CUSTOMER',
      state: 'Enabled',
      spec: 'SYMMETRIC_DEFAULT',
      usage: 'ENCRYPT_DECRYPT',
      rotation: { enabled: false },
      created: new Date(NOW),
      deletion: undefined,
      related: [arn],
    })
  })

  test('is found by its aliases, and has its own only, in order', async () => {
    const { local, keys } = setUp({
      ListAliases: (answer: { Aliases?: object[] }) => ({ Aliases: [...(answer.Aliases ?? [])].reverse() }),
    })
    const [arn, other] = [await createKey(local), await createKey(local, 'alias/other')]
    for (const alias of ['alias/b', 'alias/a', 'alias/c']) await keys.createAlias(alias, arn)
    const aliases = ['alias/a', 'alias/b', 'alias/c']
    expect(await keys.describe('alias/b')).toMatchObject({ arn, aliases })
    expect(await keys.aliases(arn)).toEqual(new Map([[idOf(arn), aliases]]))
    expect(await keys.aliases()).toEqual(
      new Map([
        [idOf(arn), aliases],
        [idOf(other), ['alias/other']],
      ]),
    )
  })

  test('exists, or does not; what cannot be asked is an error', async () => {
    const { local, keys } = setUp()
    const arn = await createKey(local, 'alias/app')
    expect(await keys.exists('alias/app')).toBe(true)
    expect(await keys.exists('alias/none')).toBe(false)
    expect(await keys.exists(arn.replace(/.$/, (last) => (last === '0' ? '1' : '0')))).toBe(false)
    local.misbehave({ deny: 'DescribeKey' })
    await expect(keys.exists('alias/app')).rejects.toMatchObject({ code: 'KMS_ACCESS_DENIED' })
  })

  test('of another Region is no key that does not exist', async () => {
    const { local, keys } = setUp()
    const arn = await createKey(local)
    await expect(keys.exists(arn.replace('us-east-1', 'eu-west-1'))).rejects.toMatchObject({
      code: 'KMS_REGION',
    })
  })

  test('is disabled, and enabled', async () => {
    const { local, keys } = setUp()
    const arn = await createKey(local)
    await keys.disable(arn)
    expect(await keys.metadata(arn)).toMatchObject({ Arn: arn, KeyState: 'Disabled' })
    await keys.enable(arn)
    expect(await keys.metadata(arn)).toMatchObject({ Arn: arn, KeyState: 'Enabled' })
  })

  test('is deleted after so many days, unless that is taken back', async () => {
    const { local, keys } = setUp()
    const arn = await createKey(local)
    const deletion = new Date(NOW + 8 * DAY)
    expect(await keys.scheduleDeletion(arn, 8)).toEqual(deletion)
    expect(await keys.describe(arn)).toMatchObject({
      state: 'PendingDeletion',
      deletion,
      rotation: undefined,
    })
    await keys.cancelDeletion(arn)
    expect(await keys.describe(arn)).toMatchObject({ state: 'Disabled', deletion: undefined })
  })

  test('gets new key material, under which the old values open', async () => {
    const { local, keys } = setUp()
    const client = local.client()
    const KeyId = await createKey(local)
    const { CiphertextBlob } = await client.send(
      new EncryptCommand({ KeyId, Plaintext: Buffer.from('value') }),
    )
    const { CurrentKeyMaterialId: before } = await keys.metadata(KeyId)
    await keys.rotateNow(KeyId)
    const { CurrentKeyMaterialId: after } = await keys.metadata(KeyId)
    expect(after).not.toBe(before)
    const { Plaintext } = await client.send(new DecryptCommand({ CiphertextBlob }))
    expect(Buffer.from(Plaintext ?? []).toString()).toBe('value')
  })

  test('gives 32 random bytes, encrypted under it and the context', async () => {
    const { local, keys } = setUp()
    const client = local.client()
    const KeyId = await createKey(local)
    const context = { 'data-key': 'index' }
    const [one, other] = [await keys.encryptedKey(KeyId, context), await keys.encryptedKey(KeyId, context)]
    expect(Buffer.isBuffer(one)).toBe(true)
    const opened = await Promise.all(
      [one, other].map(async (CiphertextBlob) => {
        const answer = await client.send(new DecryptCommand({ CiphertextBlob, EncryptionContext: context }))
        expect(answer.KeyId).toBe(KeyId)
        return Buffer.from(answer.Plaintext ?? [])
      }),
    )
    expect(opened.map(({ length }) => length)).toEqual([32, 32])
    expect(opened[0]).not.toEqual(opened[1])
    await expect(client.send(new DecryptCommand({ CiphertextBlob: one }))).rejects.toMatchObject({
      name: 'InvalidCiphertextException',
    })
  })
})

describe('The rotation of a KMS key', () => {
  const ENABLED = { enabled: true, periodInDays: 365, next: new Date(NOW + 365 * DAY) }

  test('is told while the key is enabled or disabled', async () => {
    const { local, keys } = setUp()
    const arn = await createKey(local)
    expect((await keys.describe(arn)).rotation).toStrictEqual({ enabled: false })
    await keys.enableRotation(arn)
    expect((await keys.describe(arn)).rotation).toStrictEqual(ENABLED)
    await keys.disable(arn)
    expect((await keys.describe(arn)).rotation).toStrictEqual(ENABLED)
  })

  test.each<[string, object, object]>([
    ['the period', { RotationPeriodInDays: undefined }, { enabled: true, next: ENABLED.next }],
    ['the next time', { NextRotationDate: undefined }, { enabled: true, periodInDays: 365 }],
    ['whether it is on', { KeyRotationEnabled: undefined }, { ...ENABLED, enabled: false }],
  ])('is told without %s, where the answer lacks it', async (_, GetKeyRotationStatus, rotation) => {
    const { local, keys } = setUp({ GetKeyRotationStatus })
    const arn = await createKey(local)
    await keys.enableRotation(arn)
    expect((await keys.describe(arn)).rotation).toStrictEqual(rotation)
  })

  test('is not known where the caller may not ask for it, and the rest is told', async () => {
    const { local, keys } = setUp()
    const arn = await createKey(local, 'alias/app')
    await keys.enableRotation(arn)
    local.misbehave({ deny: 'GetKeyRotationStatus' })
    expect(await keys.describe(arn)).toMatchObject({ state: 'Enabled', aliases: ['alias/app'] })
    expect((await keys.describe(arn)).rotation).toBeUndefined()
  })

  test('is an error where it cannot be asked for another reason', async () => {
    const { local, keys } = setUp()
    const arn = await createKey(local)
    local.misbehave({
      fail: (operation) => (operation === 'GetKeyRotationStatus' ? 'KMSInternalException' : undefined),
    })
    await expect(keys.describe(arn)).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
  })

  test.each<[KeySpec, KeyUsageType]>([
    ['RSA_2048', 'ENCRYPT_DECRYPT'],
    ['HMAC_256', 'GENERATE_VERIFY_MAC'],
  ])('is not asked of a key of %s, which has none', async (KeySpec, KeyUsage) => {
    const { local, keys } = setUp()
    const { KeyMetadata } = await local.client().send(new CreateKeyCommand({ KeySpec, KeyUsage }))
    expect((await keys.describe(KeyMetadata!.Arn!)).rotation).toBeUndefined()
    expect(local.calls.count('GetKeyRotationStatus')).toBe(0)
  })

  test.each<[string, object]>([
    ['with key material of its owner', { Origin: 'EXTERNAL' }],
    ['of a custom key store', { Origin: 'AWS_CLOUDHSM' }],
    ['that is to be deleted', { KeyState: 'PendingDeletion' }],
    ['whose material is to be imported', { KeyState: 'PendingImport' }],
    ['of a use that does not go with its kind', { KeyUsage: 'SIGN_VERIFY' }],
  ])('is not asked of a key %s', async (_, fields) => {
    const { local, keys } = setUp({
      DescribeKey: (answer: { KeyMetadata?: object }) => ({
        KeyMetadata: { ...answer.KeyMetadata, ...fields },
      }),
    })
    expect((await keys.describe(await createKey(local))).rotation).toBeUndefined()
    expect(local.calls.count('GetKeyRotationStatus')).toBe(0)
  })
})

describe('The list of all KMS keys', () => {
  test('has those of the customer first, those with an alias by its name, the others as KMS lists them', async () => {
    const aws: string[] = []
    const { local, keys } = setUp({
      DescribeKey: ({ KeyMetadata }: { KeyMetadata?: { Arn?: string } }) => ({
        KeyMetadata: {
          ...KeyMetadata,
          ...(aws.includes(KeyMetadata?.Arn ?? '') ? { KeyManager: 'AWS' } : {}),
        },
      }),
    })
    const named = new Map<string, string>()
    for (const alias of ['alias/m', 'alias/b', 'alias/x', 'alias/a', 'alias/k'])
      named.set(alias, await createKey(local, alias))
    const nameless = [await createKey(local), await createKey(local), await createKey(local)].sort()
    aws.push(named.get('alias/a')!, named.get('alias/k')!)
    const listed = await keys.list()
    expect(listed.map(({ arn }) => arn)).toEqual([
      ...['alias/b', 'alias/m', 'alias/x'].map((alias) => named.get(alias)),
      ...nameless,
      named.get('alias/a'),
      named.get('alias/k'),
    ])
    expect(listed.map(({ manager }) => manager)).toEqual([...Array<string>(6).fill('CUSTOMER'), 'AWS', 'AWS'])
    expect(listed.slice(0, 4).map(({ aliases }) => aliases)).toEqual([
      ['alias/b'],
      ['alias/m'],
      ['alias/x'],
      [],
    ])
  })

  test('tells of each key what a description tells', async () => {
    const { local, keys } = setUp()
    const arn = await createKey(local, 'alias/app')
    await keys.enableRotation(arn)
    await createKey(local)
    const [listed, ...others] = await keys.list()
    expect(listed).toEqual(await keys.describe(arn))
    expect(listed).toMatchObject({ state: 'Enabled', rotation: { enabled: true } })
    expect(others).toHaveLength(1)
  })

  test.each(['AccessDeniedException', 'NotFoundException'])(
    'has a key whose description is answered with %s, with what the list tells of it',
    async (exception) => {
      const { local, keys } = setUp()
      const arn = await createKey(local, 'alias/app')
      const other = await createKey(local)
      local.misbehave({ fail: (operation) => (operation === 'DescribeKey' ? exception : undefined) })
      expect(await keys.list()).toEqual([
        { id: idOf(arn), arn, aliases: ['alias/app'], description: '', related: [arn] },
        { id: idOf(other), arn: other, aliases: [], description: '', related: [other] },
      ])
    },
  )

  test.each(['DescribeKey', 'GetKeyRotationStatus', 'ListKeys', 'ListAliases'])(
    'is an error where %s fails otherwise',
    async (failing) => {
      const { local, keys } = setUp()
      await createKey(local)
      local.misbehave({ fail: (operation) => (operation === failing ? 'KMSInternalException' : undefined) })
      await expect(keys.list()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    },
  )

  test('asks for ten keys at once, no more', async () => {
    const local = new LocalKms()
    const client = alteredClient(local, {
      ListKeys: ({ Keys = [] }: { Keys?: object[] }) => ({ Keys: Array(12).fill(Keys[0]) }),
    })
    await createKey(local)
    let [underWay, most] = [0, 0]
    client.middlewareStack.add((next, { commandName }) => async (request) => {
      if (commandName !== 'DescribeKeyCommand') return next(request)
      most = Math.max(most, ++underWay)
      // All that may begin have begun.
      await new Promise((resolve) => setImmediate(resolve))
      return next(request).finally(() => underWay--)
    })
    expect(await new KeyAdministration(client).list()).toHaveLength(12)
    expect(most).toBe(10)
  })

  test('is put together from all pages, and of ARNs with two kinds of calls', async () => {
    const local = new LocalKms()
    const client = local.client()
    client.middlewareStack.add(
      (next) => (request) => next({ ...request, input: { ...request.input, Limit: 2 } }),
    )
    const aliases = ['alias/a', 'alias/b', 'alias/c', undefined, undefined]
    const arns: string[] = []
    for (const alias of aliases) arns.push(await createKey(local, alias))
    local.calls.reset()
    const listed = await new KeyAdministration(client).arns()
    expect(new Map(listed.map((each) => [each.arn, each.aliases]))).toEqual(
      new Map(arns.map((arn, i) => [arn, aliases[i] === undefined ? [] : [aliases[i]]])),
    )
    expect(listed).toHaveLength(5)
    const { calls } = local
    expect([calls.count('ListKeys'), calls.count('ListAliases'), calls.count()]).toEqual([3, 2, 5])
  })
})

describe('Aliases', () => {
  test('that name no key yet are left out, as AWS lists those of its own keys', async () => {
    const { local, keys } = setUp({
      ListAliases: (answer: { Aliases?: object[] }) => ({
        Aliases: [{ AliasName: 'alias/aws/s3' }, ...(answer.Aliases ?? []), { TargetKeyId: 'x' }, {}],
      }),
    })
    const arn = await createKey(local, 'alias/app')
    expect(await keys.aliases()).toEqual(new Map([[idOf(arn), ['alias/app']]]))
  })

  test('that the caller may not list are left out of a description', async () => {
    const { local, keys } = setUp()
    const arn = await createKey(local, 'alias/app')
    local.misbehave({ deny: 'ListAliases' })
    expect(await keys.describe('alias/app')).toMatchObject({ arn, aliases: [], state: 'Enabled' })
  })
})

describe('An answer', () => {
  const call = {
    create: (keys: KeyAdministration) => keys.create('x'),
    describe: (keys: KeyAdministration, arn: string) => keys.describe(arn),
    metadata: (keys: KeyAdministration, arn: string) => keys.metadata(arn),
    encryptedKey: (keys: KeyAdministration, arn: string) => keys.encryptedKey(arn, {}),
    scheduleDeletion: (keys: KeyAdministration, arn: string) => keys.scheduleDeletion(arn, 7),
    list: (keys: KeyAdministration) => keys.list(),
    arns: (keys: KeyAdministration) => keys.arns(),
  }

  test.each<[keyof typeof call, string, Changes]>([
    ['create', 'metadata', { CreateKey: { KeyMetadata: undefined } }],
    ['create', 'an ARN', { CreateKey: { KeyMetadata: { KeyId: 'x' } } }],
    ['metadata', 'metadata', { DescribeKey: { KeyMetadata: undefined } }],
    ['metadata', 'an ARN', { DescribeKey: { KeyMetadata: { KeyId: 'x' } } }],
    [
      'describe',
      'an id',
      {
        DescribeKey: ({ KeyMetadata }: { KeyMetadata?: object }) => ({
          KeyMetadata: { ...KeyMetadata, KeyId: undefined },
        }),
      },
    ],
    ['encryptedKey', 'a ciphertext', { GenerateDataKeyWithoutPlaintext: { CiphertextBlob: undefined } }],
    ['scheduleDeletion', 'a date', { ScheduleKeyDeletion: { DeletionDate: undefined } }],
    ['list', 'an ARN', { ListKeys: { Keys: [{ KeyId: 'x' }] } }],
    ['list', 'an id', { ListKeys: { Keys: [{ KeyArn: 'x' }] } }],
    ['arns', 'an ARN', { ListKeys: { Keys: [{ KeyId: 'x' }] } }],
    ['arns', 'an id', { ListKeys: { Keys: [{ KeyArn: 'x' }] } }],
  ])('to %s without %s is refused by name', async (name, _, changes) => {
    const { local, keys } = setUp(changes)
    await expect(call[name](keys, await createKey(local))).rejects.toMatchObject({
      code: 'KMS_REQUEST_FAILED',
    })
  })

  test('without a list is an empty one', async () => {
    const { local, keys } = setUp({ ListKeys: { Keys: undefined }, ListAliases: { Aliases: undefined } })
    await createKey(local, 'alias/app')
    expect(await keys.list()).toEqual([])
    expect(await keys.aliases()).toEqual(new Map())
  })
})

describe('A refusal names the operation and the key', () => {
  test.each<[string, (keys: KeyAdministration, arn: string) => Promise<unknown>]>([
    ['DescribeKey', (keys, arn) => keys.metadata(arn)],
    ['CreateAlias', (keys, arn) => keys.createAlias('alias/x', arn)],
    ['EnableKeyRotation', (keys, arn) => keys.enableRotation(arn)],
    ['GenerateDataKeyWithoutPlaintext', (keys, arn) => keys.encryptedKey(arn, {})],
    ['EnableKey', (keys, arn) => keys.enable(arn)],
    ['DisableKey', (keys, arn) => keys.disable(arn)],
    ['RotateKeyOnDemand', (keys, arn) => keys.rotateNow(arn)],
    ['ScheduleKeyDeletion', (keys, arn) => keys.scheduleDeletion(arn, 7)],
    ['CancelKeyDeletion', (keys, arn) => keys.cancelDeletion(arn)],
    ['ListAliases', (keys, arn) => keys.aliases(arn)],
  ])('%s', async (operation, ask) => {
    const { local, keys } = setUp()
    const arn = await createKey(local)
    local.misbehave({ deny: operation })
    await expect(ask(keys, arn)).rejects.toMatchObject({
      code: 'KMS_ACCESS_DENIED',
      message: expect.stringContaining(`kms:${operation} on the KMS key ${arn}`) as string,
    })
  })

  test.each<[string, (keys: KeyAdministration) => Promise<unknown>]>([
    ['CreateKey', (keys) => keys.create('x')],
    ['ListKeys', (keys) => keys.arns()],
  ])('%s, which is of no key', async (operation, ask) => {
    const { local, keys } = setUp()
    local.misbehave({ deny: operation })
    await expect(ask(keys)).rejects.toMatchObject({
      code: 'KMS_ACCESS_DENIED',
      message: expect.stringContaining(`kms:${operation}`) as string,
    })
  })
})
