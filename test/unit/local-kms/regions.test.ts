import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyRotationCommand,
  EncryptCommand,
  GetKeyRotationStatusCommand,
  KMSClient,
  ListKeysCommand,
  ReplicateKeyCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { LocalKms, type LocalKmsOptions } from '../../../src/local-kms'

const [HERE, THERE, ELSEWHERE] = ['us-east-1', 'eu-west-1', 'ap-south-1'] as const
const DAY = 24 * 3_600_000

function setUp(options: LocalKmsOptions = {}): { kms: LocalKms; here: KMSClient; there: KMSClient } {
  const kms = new LocalKms({ regions: [THERE, ELSEWHERE], quiet: true, ...options })
  return { kms, here: kms.client(), there: kms.client({ region: THERE }) }
}

async function create(client: KMSClient, MultiRegion = true): Promise<{ id: string; arn: string }> {
  const { KeyMetadata } = await client.send(new CreateKeyCommand({ MultiRegion }))
  return { id: KeyMetadata!.KeyId!, arn: KeyMetadata!.Arn! }
}

const replicate = (client: KMSClient, KeyId: string, ReplicaRegion: string = THERE) =>
  client.send(new ReplicateKeyCommand({ KeyId, ReplicaRegion, Description: 'a replica' }))

const seal = async (client: KMSClient, KeyId: string): Promise<Uint8Array> =>
  (await client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('a private key') }))).CiphertextBlob!

const open = async (client: KMSClient, CiphertextBlob: Uint8Array, KeyId?: string) => {
  const answer = await client.send(new DecryptCommand({ CiphertextBlob, KeyId }))
  return { text: Buffer.from(answer.Plaintext!).toString(), key: answer.KeyId }
}

const metadataOf = async (client: KMSClient, KeyId: string) =>
  (await client.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata!

describe('A Region of the embedded KMS', () => {
  test('has keys and aliases of its own', async () => {
    const { here, there } = setUp()
    const { id } = await create(here, false)
    await here.send(new CreateAliasCommand({ AliasName: 'alias/app', TargetKeyId: id }))
    expect((await there.send(new ListKeysCommand({}))).Keys).toEqual([])
    await expect(metadataOf(there, 'alias/app')).rejects.toMatchObject({ name: 'NotFoundException' })
    expect((await create(there, false)).arn).toContain(`:${THERE}:`)
  })

  test('does not open what a key of another Region sealed, unless it is a multi-Region key', async () => {
    const { here, there } = setUp()
    const blob = await seal(here, (await create(here, false)).id)
    await expect(open(there, blob)).rejects.toMatchObject({ name: 'AccessDeniedException' })
  })

  test('that it was not told of is its own', async () => {
    const { kms, here } = setUp()
    const { id } = await create(here)
    const { Arn } = await metadataOf(kms.client({ region: 'sa-east-1' }), id)
    expect(Arn).toContain(`:${HERE}:`)
  })

  test('misbehaves alone', async () => {
    const { kms, here, there } = setUp()
    kms.misbehave({ deny: 'ListKeys', regions: THERE })
    await expect(here.send(new ListKeysCommand({}))).resolves.toBeDefined()
    await expect(there.send(new ListKeysCommand({}))).rejects.toMatchObject({ name: 'AccessDeniedException' })
    expect(() => {
      kms.misbehave({ outage: true, regions: 'sa-east-1' })
    }).toThrow(RangeError)
    expect(kms.calls.map(({ region }) => region)).toEqual([HERE, THERE])
  })

  test('is known over a port by the signature', async () => {
    const { kms, here } = setUp()
    const { id } = await create(here)
    await replicate(here, id)
    const server = await kms.listen()
    const client = new KMSClient({
      region: THERE,
      endpoint: server.url,
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    })
    expect((await metadataOf(client, id)).Arn).toContain(`:${THERE}:`)
    client.destroy()
    await server.close()
  })
})

describe('A multi-Region key', () => {
  test('opens in each of its Regions what another sealed', async () => {
    const { here, there } = setUp()
    const { id, arn } = await create(here)
    expect(id).toMatch(/^mrk-[0-9a-f]{32}$/)
    await replicate(here, id)
    const replica = arn.replace(HERE, THERE)
    expect(await open(there, await seal(here, id))).toEqual({ text: 'a private key', key: replica })
    expect(await open(here, await seal(there, replica), arn)).toEqual({ text: 'a private key', key: arn })
  })

  test('is described in each Region with all of them', async () => {
    const { here, there } = setUp()
    const { id, arn } = await create(here)
    const replica = arn.replace(HERE, THERE)
    const { ReplicaKeyMetadata, ReplicaPolicy } = await replicate(here, id)
    expect(ReplicaKeyMetadata).toMatchObject({ Arn: replica, KeyState: 'Creating', Description: 'a replica' })
    expect(JSON.parse(ReplicaPolicy!)).toMatchObject({ Version: '2012-10-17' })
    const relatives = {
      PrimaryKey: { Arn: arn, Region: HERE },
      ReplicaKeys: [{ Arn: replica, Region: THERE }],
    }
    expect(await metadataOf(here, id)).toMatchObject({
      MultiRegion: true,
      MultiRegionConfiguration: { MultiRegionKeyType: 'PRIMARY', ...relatives },
    })
    expect(await metadataOf(there, id)).toMatchObject({
      Arn: replica,
      KeyState: 'Enabled',
      MultiRegionConfiguration: { MultiRegionKeyType: 'REPLICA', ...relatives },
    })
  })

  test.each([
    ['a Region twice', THERE, 'AlreadyExistsException'],
    ['its own Region', HERE, 'ValidationException'],
    ['a Region that the KMS was not told of', 'sa-east-1', 'UnsupportedOperationException'],
    ['what is no Region', 'Europe', 'ValidationException'],
  ])('is not replicated to %s', async (_, region, name) => {
    const { here } = setUp()
    const { id } = await create(here)
    await replicate(here, id)
    await expect(replicate(here, id, region)).rejects.toMatchObject({ name })
  })

  test('is replicated from its primary Region, and only if it is one', async () => {
    const { here, there } = setUp()
    const { id } = await create(here)
    await replicate(here, id)
    const single = await create(here, false)
    const refused = { name: 'UnsupportedOperationException' }
    await expect(replicate(there, id, ELSEWHERE)).rejects.toMatchObject(refused)
    await expect(replicate(here, single.id)).rejects.toMatchObject(refused)
    await here.send(new DisableKeyCommand({ KeyId: id }))
    await expect(replicate(here, id, ELSEWHERE)).rejects.toMatchObject({ name: 'DisabledException' })
  })

  test('has a state in each Region, and one rotation, which is the primary key’s', async () => {
    const { here, there } = setUp()
    const { id } = await create(here)
    await replicate(here, id)
    const before = await seal(here, id)
    await here.send(new EnableKeyRotationCommand({ KeyId: id, RotationPeriodInDays: 90 }))
    await here.send(new RotateKeyOnDemandCommand({ KeyId: id }))
    expect(await there.send(new GetKeyRotationStatusCommand({ KeyId: id }))).toMatchObject({
      KeyRotationEnabled: true,
      RotationPeriodInDays: 90,
    })
    for (const Command of [EnableKeyRotationCommand, RotateKeyOnDemandCommand]) {
      await expect(there.send(new Command({ KeyId: id }))).rejects.toMatchObject({
        name: 'UnsupportedOperationException',
      })
    }
    expect((await open(there, before)).text).toBe('a private key')
    expect((await open(there, await seal(here, id))).text).toBe('a private key')
    await here.send(new DisableKeyCommand({ KeyId: id }))
    await expect(seal(here, id)).rejects.toMatchObject({ name: 'DisabledException' })
    expect((await open(there, before)).text).toBe('a private key')
  })

  test('is deleted after its replicas', async () => {
    let now = Date.now()
    const { kms, here, there } = setUp({ now: () => now })
    const { id } = await create(here)
    await replicate(here, id)
    const delay = (client: KMSClient, PendingWindowInDays: number) =>
      client.send(new ScheduleKeyDeletionCommand({ KeyId: id, PendingWindowInDays }))
    const answer = await delay(here, 10)
    expect(answer).toMatchObject({ KeyState: 'PendingReplicaDeletion', PendingWindowInDays: 10 })
    expect(answer.DeletionDate).toBeUndefined()
    expect(await metadataOf(here, id)).toMatchObject({ PendingDeletionWindowInDays: 10 })
    await expect(seal(here, id)).rejects.toMatchObject({ name: 'KMSInvalidStateException' })
    const blob = await seal(there, id)
    now += 30 * DAY
    expect((await open(there, blob)).text).toBe('a private key')
    await delay(there, 7)
    now += 8 * DAY
    expect(await metadataOf(here, id)).toMatchObject({ KeyState: 'PendingDeletion' })
    await expect(metadataOf(there, id)).rejects.toMatchObject({ name: 'NotFoundException' })
    kms.advance(10 * DAY)
    await expect(metadataOf(here, id)).rejects.toMatchObject({ name: 'NotFoundException' })
  })

  test('is kept by a cancelled deletion while its replica lives', async () => {
    const { here } = setUp()
    const { id } = await create(here)
    await replicate(here, id)
    await here.send(new ScheduleKeyDeletionCommand({ KeyId: id }))
    await here.send(new CancelKeyDeletionCommand({ KeyId: id }))
    expect(await metadataOf(here, id)).toMatchObject({ KeyState: 'Disabled' })
  })

  test('is in the key file with its replicas, and its material once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'regions-'))
    try {
      const file = join(folder, 'keys.json')
      const first = setUp({ file })
      const { id } = await create(first.here)
      await replicate(first.here, id)
      const blob = await seal(first.there, id)
      // The file names the Regions that have keys.
      const { here, there } = setUp({ file, regions: [] })
      await here.send(new RotateKeyOnDemandCommand({ KeyId: id }))
      expect((await open(there, blob)).text).toBe('a private key')
      expect((await open(there, await seal(here, id))).text).toBe('a private key')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
