import { randomBytes } from 'node:crypto'
import { type EncryptionOptions, EncryptionTransformer, JSONEncryptionTransformer } from 'typeorm-encrypted'

const options: EncryptionOptions = {
  key: randomBytes(32).toString('hex'),
  algorithm: 'aes-256-gcm',
  ivLength: 12,
}

/** typeorm-encrypted with the algorithm and IV of this library; its key is fixed, and in the process. */
export const typeormEncrypted = new EncryptionTransformer(options)

/** The same for a column of JSON, which then holds an object with the ciphertext. */
export const typeormEncryptedJson = new JSONEncryptionTransformer(options)

/** What it stores for a text. It is typed as the operators of a search, which it takes too. */
export const transformed = (text: string): string => typeormEncrypted.to(text) as unknown as string
