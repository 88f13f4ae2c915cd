import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  EnableKeyRotationCommand,
  EncryptCommand,
  GetKeyRotationStatusCommand,
  ListAliasesCommand,
  ListKeyRotationsCommand,
  ListKeysCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'

import { LocalKms } from '../../../src/local-kms'

const DAY = 24 * 60 * 60 * 1000

describe('When time moves forward', () => {
  let kms: LocalKms
  let client: ReturnType<LocalKms['client']>
  let KeyId: string

  beforeEach(async () => {
    kms = new LocalKms({ now: () => Date.UTC(2026, 0, 1) })
    client = kms.client()
    KeyId = (await client.send(new CreateKeyCommand({}))).KeyMetadata!.KeyId!
  })

  const encrypt = async () =>
    (await client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('x') }))).CiphertextBlob!
  const rotations = async () => (await client.send(new ListKeyRotationsCommand({ KeyId }))).Rotations!

  test('a key is gone on its deletion date, with its aliases, and its ciphertexts open no more', async () => {
    await client.send(new CreateAliasCommand({ AliasName: 'alias/app', TargetKeyId: KeyId }))
    const CiphertextBlob = await encrypt()
    const { DeletionDate } = await client.send(
      new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }),
    )
    expect(DeletionDate).toEqual(new Date(Date.UTC(2026, 0, 8)))

    kms.advance(7 * DAY - 1)
    expect((await client.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata!.KeyState).toBe(
      'PendingDeletion',
    )

    kms.advance(1)
    const missing = `Key 'arn:aws:kms:us-east-1:111122223333:key/${KeyId}' does not exist`
    await expect(client.send(new DescribeKeyCommand({ KeyId }))).rejects.toMatchObject({ message: missing })
    expect((await client.send(new ListKeysCommand({}))).Keys).toEqual([])
    expect((await client.send(new ListAliasesCommand({}))).Aliases).toEqual([])
    await expect(client.send(new DecryptCommand({ CiphertextBlob }))).rejects.toThrow(
      'is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext',
    )
    await expect(client.send(new DecryptCommand({ CiphertextBlob, KeyId }))).rejects.toThrow(missing)
  })

  test('automatic rotation happens on its dates, however far the clock moves', async () => {
    const CiphertextBlob = await encrypt()
    await client.send(new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: 90 }))
    kms.advance(89 * DAY)
    expect(await rotations()).toEqual([])
    kms.advance(311 * DAY)
    expect((await rotations()).map(({ RotationType, RotationDate }) => [RotationType, RotationDate])).toEqual(
      [91, 181, 271, 361].map((day) => ['AUTOMATIC', new Date(Date.UTC(2026, 0, day))]),
    )
    const { NextRotationDate } = await client.send(new GetKeyRotationStatusCommand({ KeyId }))
    expect(NextRotationDate).toEqual(new Date(Date.UTC(2026, 0, 451)))
    await client.send(new DecryptCommand({ CiphertextBlob }))
  })

  test('a disabled key is not rotated until it is enabled again', async () => {
    await client.send(new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: 90 }))
    await client.send(new DisableKeyCommand({ KeyId }))
    kms.advance(91 * DAY)
    expect(await rotations()).toEqual([])
    await client.send(new EnableKeyCommand({ KeyId }))
    expect(await rotations()).toHaveLength(1)
  })

  test('a key pending deletion shows no rotation, and shows it again when the deletion is cancelled', async () => {
    const enabled = async () =>
      (await client.send(new GetKeyRotationStatusCommand({ KeyId }))).KeyRotationEnabled
    await client.send(new EnableKeyRotationCommand({ KeyId }))
    await client.send(new ScheduleKeyDeletionCommand({ KeyId }))
    expect(await enabled()).toBe(false)
    await client.send(new CancelKeyDeletionCommand({ KeyId }))
    expect(await enabled()).toBe(true)
    kms.advance(100 * DAY)
    await client.send(new EnableKeyCommand({ KeyId }))
    await client.send(new EnableKeyRotationCommand({ KeyId }))
    const { NextRotationDate } = await client.send(new GetKeyRotationStatusCommand({ KeyId }))
    expect(NextRotationDate).toEqual(new Date(Date.UTC(2027, 0, 1)))
  })

  test('it does not move backwards', () => {
    expect(() => {
      kms.advance(-1)
    }).toThrow(RangeError)
  })

  test('25 rotations on demand are the limit, and each generation still opens its own', async () => {
    const ciphertexts = [await encrypt()]
    for (let rotation = 0; rotation < 25; rotation++) {
      await client.send(new RotateKeyOnDemandCommand({ KeyId }))
      ciphertexts.push(await encrypt())
    }
    await expect(client.send(new RotateKeyOnDemandCommand({ KeyId }))).rejects.toMatchObject({
      name: 'LimitExceededException',
    })
    const opened = await Promise.all(
      ciphertexts.map((CiphertextBlob) => client.send(new DecryptCommand({ CiphertextBlob }))),
    )
    expect(new Set(opened.map(({ KeyMaterialId }) => KeyMaterialId)).size).toBe(26)
  })
})
