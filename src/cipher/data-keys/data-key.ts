import { createSecretKey, type KeyObject } from 'node:crypto'
import { inspect } from 'node:util'
import { ClosedError } from '../../errors'
import { type EncryptedDataKey } from '../../kms/bytes'
import { type KeyReference } from '../../kms/key-service'
import { KEY_LENGTH, openGcm, sealGcm, takeKey } from '../aes-gcm'
import { type CiphertextBytes, type PlaintextBytes, type PlainBytes } from '../bytes'
import { type EnvelopeCiphertext } from '../ciphertext'
import { envelopePrefix, HEADER_LENGTH, IV_LENGTH, PREFIX_LENGTH, TAG_LENGTH } from '../format'
import { type Scope } from '../scope'
import { tagMatches } from '../key-tag'
import { tampered } from '../tampered'

/** A plaintext data key in memory, with its encrypted form. Seals and opens values of suite 1 until it is destroyed. */
export class DataKey {
  /** Identifies the data key: its encrypted form. */
  readonly id: string
  /** Number of values sealed so far. */
  uses = 0
  /** `undefined` once it is destroyed. */
  #key: KeyObject | undefined
  readonly #prefix: Buffer
  /** As much of it as stands by itself in base64. */
  #base64: string | undefined
  /** The key tag in the header, as a number: comparing those is free. */
  readonly #tag: number
  /** The last bytes of the encrypted data key, as a number. */
  readonly #tail: number
  /** `contextKey` of the scopes that may use it. */
  readonly contextKey: string
  readonly #createdAt = performance.now()
  /** When KMS last opened it. */
  #openedByKms = this.#createdAt
  /** When it was last asked for, by `performance.now()`. */
  sealedAt = 0
  openedAt = 0
  #destroyed = false

  /** Throws `TamperedCiphertextError` if these are not 32 bytes: then they are some other value under this context. */
  constructor(
    /** The 32 bytes of the plaintext key; zero-filled here. */
    key: Buffer,
    readonly encrypted: EncryptedDataKey,
    readonly keyReference: KeyReference,
    /** One of the scopes that may use it: all those with this context. */
    readonly scope: Pick<Scope, 'context' | 'contextKey'>,
  ) {
    if (key.length !== KEY_LENGTH) {
      key.fill(0)
      throw tampered()
    }
    this.#key = takeKey(key)
    this.contextKey = scope.contextKey
    this.#prefix = envelopePrefix(keyReference, encrypted)
    this.#tag = this.#prefix.readUInt32BE(PREFIX_LENGTH)
    this.#tail = this.#prefix.readUInt32BE(this.#prefix.length - 4)
    this.id = this.#prefix.toString('latin1', HEADER_LENGTH)
  }

  get isDestroyed(): boolean {
    return this.#destroyed
  }

  /** True while it may seal: not destroyed, and made no longer ago than `maxAge` milliseconds. */
  seals(maxAge: number): boolean {
    const now = performance.now()
    this.sealedAt = now
    return !this.#destroyed && now - this.#createdAt <= maxAge
  }

  /** True while it may open: not destroyed, and opened by KMS no longer ago than `maxAge` milliseconds. */
  opensStill(maxAge: number): boolean {
    const now = performance.now()
    this.openedAt = now
    return !this.#destroyed && now - this.#openedByKms <= maxAge
  }

  /** True if these are the bytes of the key. */
  is(plaintext: Buffer): boolean {
    return plaintext.length === KEY_LENGTH && this.#material.equals(createSecretKey(plaintext))
  }

  /** KMS has opened it again. */
  renew(): void {
    this.#openedByKms = performance.now()
  }

  /** True if an envelope ciphertext carries this data key. */
  opens({ bytes, prefixLength: end }: EnvelopeCiphertext): boolean {
    const prefix = this.#prefix
    return prefix.length === end && bytes.compare(prefix, HEADER_LENGTH, end, HEADER_LENGTH, end) === 0
  }

  /** True for an envelope ciphertext of this version that carries this data key, under the KMS key that opened it. */
  isCarriedBy(ciphertext: Buffer): boolean {
    const end = this.#prefix.length
    return (
      ciphertext.length >= end + IV_LENGTH + TAG_LENGTH &&
      ciphertext.compare(this.#prefix, 0, end, 0, end) === 0
    )
  }

  /** True for every ciphertext that carries this data key, and for hardly any other: it looks at a few bytes. */
  seemsToOpen(ciphertext: Buffer): boolean {
    const end = this.#prefix.length
    return (
      ciphertext.length >= end + IV_LENGTH + TAG_LENGTH &&
      ciphertext.readUInt32BE(PREFIX_LENGTH) === this.#tag &&
      ciphertext.readUInt32BE(end - 4) === this.#tail
    )
  }

  /** The same for a ciphertext in base64, which need not be decoded for it. */
  seemsToOpenText(ciphertext: string): boolean {
    const end = this.#prefix.length
    this.#base64 ??= this.#prefix.toString('base64', 0, end - (end % 3))
    return ciphertext.startsWith(this.#base64)
  }

  /** Seals a value; text is sealed as UTF-8. */
  seal(plaintext: string | PlainBytes, aad: Buffer): CiphertextBytes {
    this.uses++
    return sealGcm(this.#material, this.#prefix, plaintext, aad)
  }

  /** Opens an envelope ciphertext. */
  open({ bytes, prefixLength }: EnvelopeCiphertext, aad: Buffer): PlaintextBytes {
    // The key tag is not part of the AAD, so that rotation can replace it; it must match all the same.
    if (bytes.readUInt32BE(PREFIX_LENGTH) !== this.#tag && !tagMatches(bytes, this.keyReference))
      throw tampered()
    return openGcm(this.#material, bytes, prefixLength, aad)
  }

  /** Opens a ciphertext that carries this data key (`isCarriedBy`). */
  openCarrier(ciphertext: Buffer, aad: Buffer): PlaintextBytes {
    return openGcm(this.#material, ciphertext, this.#prefix.length, aad)
  }

  destroy(): void {
    this.#destroyed = true
    // Whoever was handed this key in the current turn of the event loop may still finish with it.
    setImmediate(() => (this.#key = undefined))
  }

  get #material(): KeyObject {
    if (!this.#key) throw new ClosedError('the data key is no longer in memory. Repeat the operation.')
    return this.#key
  }

  [inspect.custom](): string {
    return `DataKey { keyArn: '${this.keyReference}', uses: ${this.uses} }`
  }
}
