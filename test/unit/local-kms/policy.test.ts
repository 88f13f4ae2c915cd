import {
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  type KMSClient,
  ReEncryptCommand,
} from '@aws-sdk/client-kms'
import { LocalKms, type LocalKmsStatement } from '../../../src/local-kms'

const named = (name: string): unknown => expect.objectContaining({ name })
const ofTenant = { tenantId: '42', table: 'account' }

describe('An embedded KMS with a policy', () => {
  const kms = new LocalKms()
  const owner = kms.client({ maxAttempts: 1 })
  const tenant = kms.client({
    maxAttempts: 1,
    credentials: { accessKeyId: 'tenant42', secretAccessKey: 'local' },
  })
  let KeyId: string

  beforeAll(async () => {
    KeyId = (await owner.send(new CreateKeyCommand({}))).KeyMetadata!.Arn!
  })
  afterEach(() => {
    kms.setPolicy('tenant42', undefined)
  })

  const generate = (client: KMSClient, EncryptionContext?: Record<string, string>) =>
    client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256', EncryptionContext }))
  const decrypt = (CiphertextBlob: Uint8Array, EncryptionContext?: Record<string, string>) =>
    tenant.send(new DecryptCommand({ CiphertextBlob, EncryptionContext }))

  test('lets a tenant do with its encryption context what it may, and nothing with another', async () => {
    kms.setPolicy('tenant42', {
      Version: '2012-10-17',
      Statement: {
        Effect: 'Allow',
        Action: ['kms:GenerateDataKey', 'kms:Decrypt'],
        Resource: KeyId,
        Condition: { StringEquals: { 'kms:EncryptionContext:tenantId': '42' } },
      },
    })
    const { CiphertextBlob } = await generate(tenant, ofTenant)
    expect(await decrypt(CiphertextBlob!, ofTenant)).toMatchObject({ KeyId })
    const others = await generate(owner, { tenantId: '43' })
    const denied = named('AccessDeniedException')
    await expect(decrypt(others.CiphertextBlob!, { tenantId: '43' })).rejects.toEqual(denied)
    const contexts: (Record<string, string> | undefined)[] = [
      undefined,
      { tenantId: '43' },
      { table: 'account' },
    ]
    for (const context of contexts) await expect(generate(tenant, context)).rejects.toEqual(denied)
    await expect(
      tenant.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('x'), EncryptionContext: ofTenant })),
    ).rejects.toEqual(denied)
    await expect(tenant.send(new DescribeKeyCommand({ KeyId }))).rejects.toEqual(denied)
    await expect(generate(owner, { tenantId: '43' })).resolves.toBeDefined()
  })

  test.each([
    [
      'another key',
      { Effect: 'Allow', Action: 'kms:*', Resource: 'arn:aws:kms:us-east-1:111122223333:key/other' },
    ],
    ['another operation', { Effect: 'Allow', Action: 'kms:Encrypt', Resource: '*' }],
    [
      'a denial beside it',
      [
        { Effect: 'Allow', Action: 'kms:*', Resource: '*' },
        {
          Effect: 'Deny',
          Action: 'kms:GenerateDataKey',
          Resource: '*',
          Condition: { StringNotEquals: { 'kms:EncryptionContext:tenantId': '43' } },
        },
      ],
    ],
    [
      'a pair that must not be there',
      {
        Effect: 'Allow',
        Action: 'kms:*',
        Resource: '*',
        Condition: { Null: { 'kms:EncryptionContext:tenantId': 'true' } },
      },
    ],
    [
      'names of pairs that are not all listed',
      {
        Effect: 'Allow',
        Action: 'kms:*',
        Resource: '*',
        Condition: { 'ForAllValues:StringEquals': { 'kms:EncryptionContextKeys': ['tenantId'] } },
      },
    ],
  ] as const)('refuses where the policy is for %s', async (_, Statement) => {
    kms.setPolicy('tenant42', { Statement })
    await expect(generate(tenant, ofTenant)).rejects.toEqual(named('AccessDeniedException'))
  })

  test.each<LocalKmsStatement>([
    { Effect: 'Allow', Action: 'kms:Generate*', Resource: 'arn:aws:kms:*:111122223333:key/*' },
    {
      Effect: 'Allow',
      Action: 'kms:*',
      Resource: '*',
      Condition: { StringLike: { 'kms:EncryptionContext:TENANTID': ['4?', '7*'] } },
    },
    {
      Effect: 'Allow',
      Action: 'kms:*',
      Resource: '*',
      Condition: { 'ForAnyValue:StringEquals': { 'kms:EncryptionContextKeys': 'tenantId' } },
    },
  ])('allows by %j', async (Statement) => {
    kms.setPolicy('tenant42', { Statement })
    await expect(generate(tenant, ofTenant)).resolves.toBeDefined()
  })

  test('judges both sides of ReEncrypt', async () => {
    const { CiphertextBlob } = await generate(owner, ofTenant)
    const move = (to: string) =>
      tenant.send(
        new ReEncryptCommand({
          CiphertextBlob,
          DestinationKeyId: KeyId,
          SourceEncryptionContext: ofTenant,
          DestinationEncryptionContext: { tenantId: to },
        }),
      )
    kms.setPolicy('tenant42', {
      Statement: {
        Effect: 'Allow',
        Action: 'kms:ReEncrypt*',
        Resource: '*',
        Condition: { StringEquals: { 'kms:EncryptionContext:tenantId': '42' } },
      },
    })
    await expect(move('42')).resolves.toBeDefined()
    await expect(move('43')).rejects.toEqual(named('AccessDeniedException'))
  })

  test.each([
    { Effect: 'Allow', Action: 'kms:*', Resource: '*', Principal: '*' },
    {
      Effect: 'Allow',
      Action: 'kms:*',
      Resource: '*',
      Condition: { Bool: { 'aws:SecureTransport': 'true' } },
    },
    {
      Effect: 'Allow',
      Action: 'kms:*',
      Resource: '*',
      Condition: { StringEquals: { 'aws:PrincipalTag/t': '42' } },
    },
    {
      Effect: 'Allow',
      Action: 'kms:*',
      Resource: '*',
      Condition: { StringEquals: { 'kms:EncryptionContext:tenantId': '${aws:PrincipalTag/t}' } },
    },
  ])('refuses to be given %j, which it does not read', (Statement) => {
    expect(() => {
      kms.setPolicy('tenant42', { Statement: Statement as never })
    }).toThrow(/does not read/)
  })
})
