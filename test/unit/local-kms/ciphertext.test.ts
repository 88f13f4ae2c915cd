import {
  CreateKeyCommand,
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  type KMSClient,
} from '@aws-sdk/client-kms'

import { LocalKms } from '../../../src/local-kms'
import { THOROUGH } from '../../support/thorough'

const newKey = async (client: KMSClient) => (await client.send(new CreateKeyCommand({}))).KeyMetadata!.KeyId!

describe('A ciphertext', () => {
  const client = new LocalKms().client()
  let KeyId: string

  beforeAll(async () => {
    KeyId = await newKey(client)
  })

  const seal = async (Plaintext: Uint8Array) =>
    Buffer.from((await client.send(new EncryptCommand({ KeyId, Plaintext }))).CiphertextBlob!)
  const refusal = async (CiphertextBlob: Uint8Array) =>
    client.send(new DecryptCommand({ CiphertextBlob })).then(
      () => 'opened',
      (error: unknown) => (error as Error).name,
    )

  test('of a 256-bit data key has 184 bytes, as at AWS', async () => {
    const { CiphertextBlob } = await client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' }))
    expect(CiphertextBlob).toHaveLength(184)
  })

  test.each([
    [1, 152],
    [35, 152],
    [36, 153],
    [64, 156],
    [101, 157],
    [228, 161],
    [229, 162],
    [300, 162],
    [415, 162],
    [4096, 162],
  ])('of %i bytes is %i bytes longer, as at AWS, whose DER lengths grow', async (length, growth) => {
    expect((await seal(Buffer.alloc(length))).length - length).toBe(growth)
  })

  test('of any length opens again', async () => {
    for (let length = 1; length <= 400; length += THOROUGH ? 1 : 3) {
      const plaintext = Buffer.alloc(length, length)
      const { Plaintext } = await client.send(new DecryptCommand({ CiphertextBlob: await seal(plaintext) }))
      expect(Buffer.from(Plaintext!).equals(plaintext)).toBe(true)
    }
  })

  test('does not open with a bit of any byte flipped', async () => {
    const whole = await seal(Buffer.from('a private key'))
    const outcomes = new Set<string>()
    // 9 is coprime to 8: another bit of each byte.
    for (let bit = 0; bit < whole.length * 8; bit += THOROUGH ? 1 : 9) {
      const changed = Buffer.from(whole)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      outcomes.add(await refusal(changed))
    }
    expect([...outcomes]).toEqual(['InvalidCiphertextException'])
  })

  test('does not open truncated at any length', async () => {
    const whole = await seal(Buffer.from('a private key'))
    for (let length = 1; length < whole.length; length++) {
      expect(await refusal(whole.subarray(0, length))).toBe('InvalidCiphertextException')
    }
  })

  test('with AWS’s first bytes and nothing else of it is invalid', async () => {
    const foreign = Buffer.alloc(184, 7)
    Buffer.from('0102020078', 'hex').copy(foreign)
    expect(await refusal(foreign)).toBe('InvalidCiphertextException')
  })

  test('never comes out twice for the same plaintext', async () => {
    const plaintext = Buffer.from('a private key')
    expect((await seal(plaintext)).equals(await seal(plaintext))).toBe(false)
  })

  test('of another KMS is refused as AWS refuses that of another region: access denied', async () => {
    const elsewhere = new LocalKms({ region: 'eu-central-1' }).client()
    const input = { KeyId: await newKey(elsewhere), Plaintext: Buffer.from('a private key') }
    const { CiphertextBlob } = await elsewhere.send(new EncryptCommand(input))
    await expect(client.send(new DecryptCommand({ CiphertextBlob }))).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringContaining('the resource does not exist in this Region'),
    })
  })
})
