import {
  CreateKeyCommand,
  GenerateDataKeyCommand,
  GenerateRandomCommand,
  RotateKeyOnDemandCommand,
} from '@aws-sdk/client-kms'

import { decrypt, encrypt, type Scenario } from './scenario'

/** Sizes, and what is refused for its form or kind. */
export const limits: Scenario[] = [
  {
    name: 'ciphertexts have the sizes of AWS',
    async play(stage) {
      const { client } = stage
      const { id: KeyId } = await stage.key()
      for (const [length, expected] of [
        [1, 153],
        [32, 184],
        [64, 220],
        [4096, 4258],
      ] as const) {
        const seal = async () => (await encrypt(client, { KeyId, Plaintext: Buffer.alloc(length) })).length
        await stage.see(`${length} bytes`, seal, expected)
      }
      const start = async () => Buffer.from(await encrypt(client, { KeyId })).toString('hex', 0, 5)
      await stage.see('first bytes', start, '0102020078')
    },
  },
  {
    name: 'sizes outside the limits are refused without showing the value',
    async play(stage) {
      const { client } = stage
      const { id: KeyId } = await stage.key()
      const failed = (field: string) =>
        `ValidationException: 1 validation error detected: Value at '${field}' failed to satisfy constraint: Member must have length`
      const Plaintext = Buffer.alloc(4097, 'secret')
      const empty = Buffer.alloc(0)
      await stage.see(
        '4097 bytes',
        () => encrypt(client, { KeyId, Plaintext }),
        `${failed('plaintext')} less than or equal to 4096`,
      )
      await stage.see(
        '0 bytes',
        () => encrypt(client, { KeyId, Plaintext: empty }),
        `${failed('plaintext')} greater than or equal to 1`,
      )
      await stage.see(
        'an empty ciphertext',
        () => decrypt(client, { CiphertextBlob: empty }),
        'ValidationException',
      )
      await stage.see(
        '6145 bytes',
        () => decrypt(client, { CiphertextBlob: Buffer.alloc(6145) }),
        'ValidationException',
      )
      const description = new CreateKeyCommand({ Description: 'x'.repeat(8193) })
      await stage.see('a long description', () => client.send(description), 'ValidationException')
    },
  },
  {
    name: 'bytes that are no ciphertext are refused as invalid, without a message',
    async play(stage) {
      const { client } = stage
      const { id: KeyId } = await stage.key()
      const whole = Buffer.from(await encrypt(client, { KeyId }))
      const changed = Buffer.from(whole)
      changed[changed.length - 1]! ^= 1
      const open = (CiphertextBlob: Uint8Array) => () => decrypt(client, { CiphertextBlob })
      await stage.see('garbage', open(Buffer.from('garbage')), 'InvalidCiphertextException: UnknownError')
      await stage.see('changed', open(changed), 'InvalidCiphertextException: UnknownError')
      await stage.see('truncated', open(whole.subarray(0, -1)), 'InvalidCiphertextException: UnknownError')
      await stage.see(
        'extended',
        open(Buffer.concat([whole, Buffer.alloc(1)])),
        'InvalidCiphertextException: UnknownError',
      )
    },
  },
  {
    name: 'keys of other kinds refuse symmetric encryption',
    async play(stage) {
      const { client } = stage
      const signing = await stage.key({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' })
      const mac = await stage.key({ KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' })
      const rsa = await stage.key({ KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' })
      await stage.see(
        'Encrypt with a signing key',
        () => encrypt(client, { KeyId: signing.id }),
        'InvalidKeyUsageException: <arn> key usage is SIGN_VERIFY which is not valid for Encrypt.',
      )
      const generate = (KeyId: string) => () =>
        client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' }))
      await stage.see(
        'GenerateDataKey with an HMAC key',
        generate(mac.id),
        'InvalidKeyUsageException: <arn> key usage is GENERATE_VERIFY_MAC which is not valid for GenerateDataKey.',
      )
      await stage.see('GenerateDataKey with an RSA key', generate(rsa.id), 'InvalidKeyUsageException')
      await stage.see(
        'Encrypt with an RSA key',
        () => encrypt(client, { KeyId: rsa.id }),
        'InvalidKeyUsageException',
      )
      const rotate = new RotateKeyOnDemandCommand({ KeyId: mac.id })
      await stage.see('RotateKeyOnDemand', () => client.send(rotate), 'UnsupportedOperationException')
      const unnamed = new CreateKeyCommand({ KeySpec: 'HMAC_256' })
      await stage.see(
        'CreateKey without usage',
        () => client.send(unnamed),
        'ValidationException: You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.',
      )
    },
  },
  {
    name: 'random bytes come in the number asked for',
    async play(stage) {
      const random = (NumberOfBytes?: number) => async () =>
        (await stage.client.send(new GenerateRandomCommand({ NumberOfBytes }))).Plaintext!.length
      await stage.see('1024', random(1024), 1024)
      await stage.see('none', random(), 'ValidationException: NumberOfBytes is required.')
      await stage.see(
        '1025',
        random(1025),
        "ValidationException: 1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy " +
          'constraint: Member must have value less than or equal to 1024',
      )
    },
  },
]
