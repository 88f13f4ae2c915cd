import { createHash, randomBytes } from 'node:crypto'
import { type EncryptionContext, serialiseContext } from '../../../src/cipher/context'
import { UntrustedKeyError, WrongContextError } from '../../../src/errors'
import { asEncryptedDataKey, asPlaintextKey } from '../../../src/kms/bytes'
import {
  type Caller,
  type CallOptions,
  type Decrypted,
  type DecryptOptions,
  type Encrypted,
  type GeneratedDataKey,
  type KeyService,
} from '../../../src/kms/key-service'

type Operation = 'generateDataKey' | 'encrypt' | 'decrypt'

/** A blob as AWS's: opaque, opened under its context only. */
interface Blob {
  blob: Buffer
  context: EncryptionContext
  plaintext: Buffer
  keyArn: string
}

/**
 * A key service in memory, for what `LocalKms` hides: it keeps the very Buffers that it hands out, and answers when
 * the test says so.
 */
export class MemoryKms implements KeyService {
  readonly keyArn = arnOf('key')
  readonly calls: { operation: Operation; keyId?: string; context: EncryptionContext }[] = []
  /** Who asked, by call. */
  readonly callers: (Caller | undefined)[] = []
  readonly blobs: Blob[] = []
  /** ARNs of the keys that aliases stand for, where they were moved. */
  readonly aliases = new Map<string, string>()
  /** The Buffers with data keys and plaintexts that the library was given. */
  readonly handedOut: Buffer[] = []
  /** Awaited before every answer; may throw. */
  beforeAnswer: (operation: Operation) => void | Promise<void> = () => undefined

  count(operation: Operation): number {
    return this.calls.filter((call) => call.operation === operation).length
  }

  async generateDataKey(
    keyId: string,
    context: EncryptionContext,
    { caller }: CallOptions = {},
  ): Promise<GeneratedDataKey> {
    this.callers.push(caller)
    this.calls.push({ operation: 'generateDataKey', keyId, context })
    await this.beforeAnswer('generateDataKey')
    const { blob, plaintext, keyArn } = this.#keep(randomBytes(32), keyId, context)
    return {
      plaintext: asPlaintextKey(this.#handOut(plaintext)),
      encrypted: asEncryptedDataKey(blob),
      keyReference: keyArn,
    }
  }

  async encrypt(keyId: string, plaintext: Uint8Array, context: EncryptionContext): Promise<Encrypted> {
    this.callers.push(undefined)
    this.calls.push({ operation: 'encrypt', keyId, context })
    await this.beforeAnswer('encrypt')
    const { blob, keyArn } = this.#keep(Buffer.from(plaintext), keyId, context)
    return { ciphertext: blob, keyReference: keyArn }
  }

  async decrypt(
    ciphertext: Uint8Array,
    context: EncryptionContext,
    { keyReference, caller }: DecryptOptions = {},
  ): Promise<Decrypted> {
    this.callers.push(caller)
    this.calls.push({ operation: 'decrypt', context })
    await this.beforeAnswer('decrypt')
    const found = this.blobs.find(
      ({ blob, context: made }) =>
        blob.equals(ciphertext) && serialiseContext(made).equals(serialiseContext(context)),
    )
    if (!found) throw new WrongContextError('no such ciphertext under this context')
    if (keyReference !== undefined && this.#arnOf(keyReference) !== found.keyArn)
      throw new UntrustedKeyError('it is under another key')
    return { plaintext: this.#handOut(found.plaintext), keyReference: found.keyArn }
  }

  /** A blob that another program made. */
  blobOf(plaintext: Uint8Array, context: EncryptionContext, keyId = this.keyArn): Buffer {
    return this.#keep(Buffer.from(plaintext), keyId, context).blob
  }

  #keep(plaintext: Buffer, keyId: string, context: EncryptionContext): Blob {
    const keyArn = this.#arnOf(keyId)
    // KMS adds 152 bytes; its blobs begin with these five.
    const blob = Buffer.concat([Buffer.from('0102030078', 'hex'), randomBytes(147 + plaintext.length)])
    const kept = { blob, context: { ...context }, plaintext, keyArn }
    this.blobs.push(kept)
    return kept
  }

  #arnOf(keyId: string): string {
    return this.aliases.get(keyId) ?? (keyId.startsWith('arn:') ? keyId : arnOf(keyId))
  }

  #handOut(plaintext: Buffer): Buffer {
    const copy = Buffer.from(plaintext)
    this.handedOut.push(copy)
    return copy
  }
}

/** The ARN of the key that an id or alias stands for. */
export function arnOf(keyId: string): string {
  const id = createHash('sha256').update(keyId).digest('hex').slice(0, 32)
  return `arn:aws:kms:us-east-1:111122223333:key/${id}`
}
