import { randomBytes } from 'node:crypto'
import { type EncryptionOptions, EncryptionTransformer } from 'typeorm-encrypted'

const options: EncryptionOptions = {
  key: randomBytes(32).toString('hex'),
  algorithm: 'aes-256-gcm',
  ivLength: 12,
}

/** typeorm-encrypted with the algorithm and IV of this library; its key is fixed, and in the process. */
export const typeormEncrypted = new EncryptionTransformer(options)

/** What it stores for a text. It is typed as the operators of a search, which it takes too. */
export const transformed = (text: string): string => typeormEncrypted.to(text) as unknown as string
