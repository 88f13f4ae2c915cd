import { isDeepStrictEqual } from 'node:util'
import { type EncryptionContext } from '../../../src/cipher/context'
import { WrongContextError } from '../../../src/errors'
import { asEncryptedDataKey, asPlaintextKey } from '../../../src/kms/bytes'
import {
  type Decrypted,
  type Encrypted,
  type GeneratedDataKey,
  type KeyService,
} from '../../../src/kms/key-service'
import { type InvalidVector, type Vector } from './vectors'

/** A key service that knows what one vector says of KMS, and refuses all else as KMS does. */
export class VectorKms implements KeyService {
  readonly #vector: Vector | InvalidVector

  constructor(vector: Vector | InvalidVector) {
    this.#vector = vector
  }

  generateDataKey(_keyId: string, context: EncryptionContext): Promise<GeneratedDataKey> {
    const vector = this.#vector
    if (vector.suite !== 1 || !isDeepStrictEqual(context, vector.context)) return refuse()
    const plaintext = asPlaintextKey(hex(vector.dataKey))
    const encrypted = asEncryptedDataKey(hex(vector.encryptedDataKey))
    return Promise.resolve({ plaintext, encrypted, keyReference: vector.keyArn })
  }

  encrypt(_keyId: string, plaintext: Uint8Array, context: EncryptionContext): Promise<Encrypted> {
    const vector = this.#vector
    if (vector.suite === 1 || !isDeepStrictEqual(context, vector.encryptionContext)) return refuse()
    if (!hex(vector.kmsPlaintext).equals(plaintext)) return refuse()
    return Promise.resolve({ ciphertext: hex(vector.ciphertextBlob), keyReference: vector.keyArn })
  }

  decrypt(ciphertext: Uint8Array, context: EncryptionContext): Promise<Decrypted> {
    const vector = this.#vector
    const [blob, under, plaintext] =
      vector.suite === 1
        ? [vector.encryptedDataKey, vector.context, vector.dataKey]
        : [vector.ciphertextBlob, vector.encryptionContext, vector.kmsPlaintext]
    if (!hex(blob).equals(ciphertext) || !isDeepStrictEqual(context, under)) return refuse()
    return Promise.resolve({ plaintext: hex(plaintext), keyReference: vector.openedByKeyArn })
  }
}

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

const refuse = (): Promise<never> => Promise.reject(new WrongContextError('not the vector'))
