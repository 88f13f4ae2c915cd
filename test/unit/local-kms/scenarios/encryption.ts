import {
  DecryptCommand,
  GenerateDataKeyCommand,
  GenerateDataKeyWithoutPlaintextCommand,
  ReEncryptCommand,
} from '@aws-sdk/client-kms'

import { decrypt, encrypt, type Scenario } from './scenario'

/** What seals opens again, and only as it was sealed. */
export const encryption: Scenario[] = [
  {
    name: 'the encryption context is part of the ciphertext, in any order of its pairs',
    async play(stage) {
      const { client } = stage
      const { id: KeyId } = await stage.key()
      const CiphertextBlob = await encrypt(client, {
        KeyId,
        EncryptionContext: { table: 'user', column: 'key' },
      })
      const open = (EncryptionContext?: Record<string, string>) => () =>
        decrypt(client, { CiphertextBlob, ...(EncryptionContext && { EncryptionContext }) })
      await stage.see('the same', open({ column: 'key', table: 'user' }), 'a private key')
      await stage.see('none', open(), 'InvalidCiphertextException')
      await stage.see('less', open({ table: 'user' }), 'InvalidCiphertextException')
      await stage.see('more', open({ table: 'user', column: 'key', a: 'b' }), 'InvalidCiphertextException')
      await stage.see('other case', open({ table: 'User', column: 'key' }), 'InvalidCiphertextException')
      await stage.see('shifted', open({ tableu: 'ser', column: 'key' }), 'InvalidCiphertextException')
      const large = { KeyId, EncryptionContext: { large: 'x'.repeat(8192) } }
      await stage.see('over 8192 bytes', () => encrypt(client, large), 'ValidationException')
    },
  },
  {
    name: 'decrypting under a named key refuses the ciphertext of another',
    async play(stage) {
      const { client } = stage
      const [key, other, mac] = [
        await stage.key(),
        await stage.key(),
        await stage.key({ KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' }),
      ]
      const CiphertextBlob = await encrypt(client, { KeyId: key.id })
      await stage.see('its own', () => decrypt(client, { CiphertextBlob, KeyId: key.arn }), 'a private key')
      const refusal =
        'IncorrectKeyException: The key ID in the request does not identify a CMK that can perform this operation.'
      await stage.see('another', () => decrypt(client, { CiphertextBlob, KeyId: other.id }), refusal)
      await stage.see('an HMAC key', () => decrypt(client, { CiphertextBlob, KeyId: mac.id }), refusal)
      const reEncrypt = { CiphertextBlob, SourceKeyId: other.id, DestinationKeyId: key.id }
      await stage.see('ReEncrypt', () => client.send(new ReEncryptCommand(reEncrypt)), refusal)
    },
  },
  {
    name: 'ReEncrypt moves a ciphertext to another key and context',
    async play(stage) {
      const { client } = stage
      const [from, to] = [await stage.key(), await stage.key()]
      const EncryptionContext = { table: 'user' }
      const CiphertextBlob = await encrypt(client, { KeyId: from.id, EncryptionContext })
      const input = {
        CiphertextBlob,
        DestinationKeyId: to.id,
        DestinationEncryptionContext: { table: 'person' },
      }
      await stage.see(
        'wrong context',
        () => client.send(new ReEncryptCommand(input)),
        'InvalidCiphertextException',
      )
      const moved = await client.send(
        new ReEncryptCommand({ ...input, SourceEncryptionContext: EncryptionContext }),
      )
      await stage.see('KeyId', () => Promise.resolve([moved.SourceKeyId, moved.KeyId]), [from.arn, to.arn])
      const open = { CiphertextBlob: moved.CiphertextBlob!, EncryptionContext: { table: 'person' } }
      await stage.see('Decrypt', () => decrypt(client, { ...open, KeyId: to.id }), 'a private key')
    },
  },
  {
    name: 'data keys have the size asked for and open again',
    async play(stage) {
      const { client } = stage
      const { id: KeyId, arn } = await stage.key()
      for (const [size, length] of [
        [{ KeySpec: 'AES_256' }, 32],
        [{ KeySpec: 'AES_128' }, 16],
        [{ NumberOfBytes: 1024 }, 1024],
      ] as const) {
        const made = await client.send(new GenerateDataKeyCommand({ KeyId, ...size }))
        await stage.see('length', () => Promise.resolve(made.Plaintext!.length), length)
        await stage.see('KeyId', () => Promise.resolve(made.KeyId), arn)
        const opened = await client.send(new DecryptCommand({ CiphertextBlob: made.CiphertextBlob }))
        await stage.see(
          'Decrypt',
          () => Promise.resolve(Buffer.from(opened.Plaintext!).equals(made.Plaintext!)),
          true,
        )
      }
      const bare = new GenerateDataKeyWithoutPlaintextCommand({ KeyId, KeySpec: 'AES_256' })
      await stage.see('without plaintext', async () => 'Plaintext' in (await client.send(bare)), false)
      const neither = 'ValidationException: Please specify either number of bytes or key spec.'
      await stage.see('neither', () => client.send(new GenerateDataKeyCommand({ KeyId })), neither)
      const both = new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256', NumberOfBytes: 32 })
      await stage.see('both', () => client.send(both), neither)
    },
  },
]
