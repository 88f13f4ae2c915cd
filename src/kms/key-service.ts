import { type EncryptionContext } from '../cipher/context'

/**
 * What the cipher layer asks of a key management service. The AWS implementation is `AwsKms`; another provider
 * would implement the same calls.
 */
export interface KeyService {
  /** Makes a 256-bit data key under a KMS key. The caller owns `plaintext` and zero-fills it. */
  generateDataKey(keyId: string, context: EncryptionContext): Promise<GeneratedDataKey>
  /** Encrypts 1 to 4096 bytes under a KMS key. */
  encrypt(keyId: string, plaintext: Uint8Array, context: EncryptionContext): Promise<Encrypted>
  /** Decrypts what one of the other two made. No key is named: the service recognises it. */
  decrypt(ciphertext: Uint8Array, context: EncryptionContext): Promise<Decrypted>
  /**
   * Moves a ciphertext or an encrypted data key to another key or context; the plaintext stays in the service. A
   * service may lack this: then rotation decrypts and encrypts anew.
   */
  reEncrypt?(
    ciphertext: Uint8Array,
    from: EncryptionContext,
    keyId: string,
    to: EncryptionContext,
  ): Promise<Encrypted>
}

export interface GeneratedDataKey {
  plaintext: Buffer
  encrypted: Uint8Array
  /** ARN of the KMS key that was used. */
  keyArn: string
}

export interface Encrypted {
  ciphertext: Uint8Array
  keyArn: string
}

export interface Decrypted {
  plaintext: Buffer
  keyArn: string
}
