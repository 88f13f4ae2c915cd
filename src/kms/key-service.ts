import { type EncryptedDataKey, type PlaintextKey } from './bytes'
import { type EncryptionContext } from './encryption-context'

/**
 * What the cipher layer asks of a key management service. `AwsKms` is the implementation for AWS; another service is
 * another folder beside `kms/aws` with the same calls.
 *
 * Every call throws a `KmsEncryptionError`: of kind `value` if the bytes are the cause, `key` if the key is, `service`
 * if the service cannot be asked.
 */
export interface KeyService {
  /** Calls under way at once; unknown where the service does not say. */
  readonly concurrency?: number
  /** Makes a data key of 256 bits. The caller owns `plaintext` and zero-fills it. */
  generateDataKey(keyId: string, context: EncryptionContext, options?: CallOptions): Promise<GeneratedDataKey>
  /** Encrypts 1 to 4096 bytes. */
  encrypt(
    keyId: string,
    plaintext: Uint8Array,
    context: EncryptionContext,
    options?: CallOptions,
  ): Promise<Encrypted>
  /** Decrypts what one of the other two made. A service that recognises its ciphertexts needs no key reference. */
  decrypt(ciphertext: Uint8Array, context: EncryptionContext, options?: DecryptOptions): Promise<Decrypted>
  /**
   * Moves a ciphertext or an encrypted data key to another key or context; the plaintext stays in the service. A
   * service may lack this: then rotation decrypts and encrypts anew. `keyReference`: the key to move from.
   */
  reEncrypt?(
    ciphertext: Uint8Array,
    from: EncryptionContext,
    keyId: string,
    to: EncryptionContext,
    options?: DecryptOptions,
  ): Promise<ReEncrypted>
}

/**
 * Names a key in the service for good: for AWS its ARN, for another service `<service>:` and its own name for the key.
 * A `keyId`, as applications write it, may also be an alias, which can be moved to another key.
 */
export type KeyReference = string

/**
 * Who calls, by its identity: one object for all calls of one page of rows. Callers have turns, so that many calls of
 * one do not hold up another.
 */
export type Caller = object

export interface CallOptions {
  /** Without one, the call is a caller of its own. */
  caller?: Caller | undefined
}

export interface DecryptOptions extends CallOptions {
  /**
   * The key that the ciphertext is under, where that is known. A service that does not recognise its own ciphertexts
   * needs it; any other refuses the ciphertext if it is under another key.
   */
  keyReference?: KeyReference | undefined
}

export interface GeneratedDataKey {
  plaintext: PlaintextKey
  encrypted: EncryptedDataKey
  /** The key that was used. */
  keyReference: KeyReference
}

export interface Encrypted {
  ciphertext: Uint8Array
  keyReference: KeyReference
}

export interface ReEncrypted extends Encrypted {
  /** It was under the key before; one key may have several references. Left out where the service does not say. */
  wasUnderIt?: boolean
}

export interface Decrypted {
  /** A value or a data key, as it was encrypted. */
  plaintext: Buffer
  keyReference: KeyReference
}
