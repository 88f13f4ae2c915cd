import {
  CreateAliasCommand,
  CreateKeyCommand,
  type CreateKeyCommandInput,
  EncryptCommand,
  GenerateDataKeyCommand,
  ListAliasesCommand,
  ListKeysCommand,
  ScheduleKeyDeletionCommand,
  UpdateAliasCommand,
} from '@aws-sdk/client-kms'

import { LocalKms } from '../../../src/local-kms'

describe('What only the embedded KMS refuses, or in its own words', () => {
  const client = new LocalKms().client()

  const create = async (input: CreateKeyCommandInput = {}) =>
    (await client.send(new CreateKeyCommand(input))).KeyMetadata!.KeyId!

  test.each<[string, CreateKeyCommandInput, string]>([
    ['imported key material', { Origin: 'EXTERNAL' }, 'UnsupportedOperationException'],
    ['custom key stores', { CustomKeyStoreId: 'cks-1' }, 'UnsupportedOperationException'],
    ['post-quantum keys', { KeySpec: 'ML_DSA_44', KeyUsage: 'SIGN_VERIFY' }, 'UnsupportedOperationException'],
    ['a usage that the spec has not', { KeyUsage: 'SIGN_VERIFY' }, 'ValidationException'],
    [
      'the spec under both names',
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- the old name is the point
      { KeySpec: 'RSA_2048', CustomerMasterKeySpec: 'RSA_2048' },
      'ValidationException',
    ],
    ['a policy that is no JSON', { Policy: 'allow all' }, 'MalformedPolicyDocumentException'],
  ])('CreateKey refuses %s', async (_, input, name) => {
    await expect(create(input)).rejects.toMatchObject({ name })
    expect((await client.send(new ListKeysCommand({}))).Keys).toEqual([])
  })

  test('RSA encryption and Nitro recipients are refused, not imitated', async () => {
    const rsa = await create({ KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' })
    const Plaintext = Buffer.from('x')
    const sealed = client.send(
      new EncryptCommand({ KeyId: rsa, Plaintext, EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' }),
    )
    await expect(sealed).rejects.toMatchObject({ name: 'UnsupportedOperationException' })
    const Recipient = { AttestationDocument: Buffer.from('x') }
    const generated = client.send(new GenerateDataKeyCommand({ KeyId: rsa, KeySpec: 'AES_256', Recipient }))
    await expect(generated).rejects.toMatchObject({ name: 'UnsupportedOperationException' })
  })

  test('an RSA algorithm does not go with a symmetric key', async () => {
    const input = { KeyId: await create(), Plaintext: Buffer.from('x') }
    const sealed = client.send(new EncryptCommand({ ...input, EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' }))
    await expect(sealed).rejects.toMatchObject({
      name: 'InvalidKeyUsageException',
      message: 'Algorithm RSAES_OAEP_SHA_256 is incompatible with key spec SYMMETRIC_DEFAULT.',
    })
  })

  test('an alias does not move to a key of another kind, or to one pending deletion', async () => {
    const AliasName = 'alias/kind'
    await client.send(new CreateAliasCommand({ AliasName, TargetKeyId: await create() }))
    const mac = await create({ KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' })
    const move = (TargetKeyId: string) => client.send(new UpdateAliasCommand({ AliasName, TargetKeyId }))
    await expect(move(mac)).rejects.toMatchObject({ name: 'ValidationException' })
    const leaving = await create()
    await client.send(new ScheduleKeyDeletionCommand({ KeyId: leaving }))
    await expect(move(leaving)).rejects.toMatchObject({ name: 'KMSInvalidStateException' })
  })

  test('a page marker is good for the list that gave it', async () => {
    await create()
    const { NextMarker: Marker } = await client.send(new ListKeysCommand({ Limit: 1 }))
    await expect(client.send(new ListAliasesCommand({ Marker }))).rejects.toMatchObject({
      name: 'InvalidMarkerException',
    })
  })

  test('ListAliases gives pages of 50, or of 100 at most', async () => {
    const TargetKeyId = await create()
    for (let index = 0; index < 101; index++) {
      await client.send(new CreateAliasCommand({ AliasName: `alias/page-${index}`, TargetKeyId }))
    }
    const page = async (Limit?: number) =>
      (await client.send(new ListAliasesCommand({ KeyId: TargetKeyId, Limit }))).Aliases!.length
    expect([await page(), await page(7), await page(1000)]).toEqual([50, 7, 100])
  })
})
