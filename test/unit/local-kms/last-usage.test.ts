import {
  CreateKeyCommand,
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GetKeyLastUsageCommand,
} from '@aws-sdk/client-kms'
import { isKmsBlob } from '../../../src/kms/aws/blob-outline'
import { LocalKms } from '../../../src/local-kms'

describe('An embedded KMS', () => {
  test('tells when a key was used last, and what for', async () => {
    let now = Date.parse('2026-01-01T00:00:00Z')
    const client = new LocalKms({ quiet: true, now: () => now }).client({ maxAttempts: 1 })
    const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
    const KeyId = KeyMetadata?.KeyId
    const lastUsage = async () => (await client.send(new GetKeyLastUsageCommand({ KeyId }))).KeyLastUsage
    expect(await client.send(new GetKeyLastUsageCommand({ KeyId }))).toMatchObject({
      KeyId,
      KeyLastUsage: {},
      TrackingStartDate: new Date(now),
      KeyCreationDate: new Date(now),
    })
    now += 60_000
    const { CiphertextBlob } = await client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' }))
    expect(await lastUsage()).toEqual({ Operation: 'GenerateDataKey', Timestamp: new Date(now) })
    now += 60_000
    await client.send(new DecryptCommand({ CiphertextBlob }))
    expect(await lastUsage()).toEqual({ Operation: 'Decrypt', Timestamp: new Date(now) })
    const used = now
    now += 60_000
    await expect(client.send(new DecryptCommand({ CiphertextBlob: Buffer.alloc(200) }))).rejects.toThrow()
    expect(await lastUsage()).toEqual({ Operation: 'Decrypt', Timestamp: new Date(used) })
    await expect(client.send(new GetKeyLastUsageCommand({ KeyId: 'alias/none' }))).rejects.toMatchObject({
      name: 'NotFoundException',
    })
  })

  test('makes blobs that look like nothing known where it is told to', async () => {
    for (const [blobs, looksLikeAws] of [
      ['aws', true],
      ['opaque', false],
    ] as const) {
      const client = new LocalKms({ quiet: true, blobs }).client()
      const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
      const input = { KeyId: KeyMetadata?.KeyId, Plaintext: Buffer.from('value') }
      const { CiphertextBlob } = await client.send(new EncryptCommand(input))
      expect(isKmsBlob(Buffer.from(CiphertextBlob ?? []))).toBe(looksLikeAws)
      const { Plaintext } = await client.send(new DecryptCommand({ CiphertextBlob }))
      expect(Buffer.from(Plaintext ?? []).toString()).toBe('value')
    }
  })
})
