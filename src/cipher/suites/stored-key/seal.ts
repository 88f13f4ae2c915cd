import { hkdfSync, type KeyObject } from 'node:crypto'
import { openGcm, sealGcm, takeKey } from '../../aes-gcm'
import { type CiphertextBytes, type PlaintextBytes, type PlainBytes } from '../../bytes'
import { type StoredKeyCiphertext } from '../../ciphertext'
import { IV_LENGTH, MAGIC, Suite, TAG_LENGTH, VERSION } from '../../format'
import { type Scope } from '../../scope'
import { tampered } from '../../tampered'

/** Bytes of a stored data key. */
export const ROOT_LENGTH = 32
/** Bytes of the id of a stored data key. */
export const ID_LENGTH = 16
/** Bytes of the salt in the header. */
export const SALT_LENGTH = 8

const PREFIX = Uint8Array.of(MAGIC, VERSION, Suite.StoredKey)
/** Bytes with which a ciphertext names its data key, and those of the shortest one. */
export const NAMED = PREFIX.length + ID_LENGTH
export const SHORTEST = NAMED + SALT_LENGTH + IV_LENGTH + TAG_LENGTH
export const NO_SALT = Buffer.alloc(0)

/**
 * The id of a stored data key, derived from its root: a ciphertext that names it commits to that root.
 *
 * Source: RFC 5869 (HKDF).
 */
export function storedKeyId(root: Uint8Array | KeyObject): Buffer {
  return derive(root, NO_SALT, 'typeorm-kms-encrypted/1/id', ID_LENGTH)
}

/** What every ciphertext begins with that names this data key. */
export function namedBy(id: Uint8Array): Buffer {
  return Buffer.concat([PREFIX, id])
}

/**
 * Seals and opens the values of suite 4 under one stored data key and one salt. Nothing uses the root itself. The
 * caller owns the root.
 */
export class StoredKeySeal {
  /** What every value begins with: the first 3 bytes, the id and the salt. */
  readonly prefix: Buffer
  readonly #key: KeyObject
  /** The AAD of the scope that was used last: mostly one is used for many values. */
  #last: { readonly scope: Scope; readonly aad: Buffer } | undefined

  /**
   * `id`: that of the root. `salt`: 8 bytes, random for each process and root, and replaced after 2^32 values (NIST SP
   * 800-38D, 8.3).
   */
  constructor(root: Uint8Array | KeyObject, salt: Uint8Array, id: Uint8Array = storedKeyId(root)) {
    this.prefix = Buffer.concat([PREFIX, id, salt])
    this.#key = takeKey(derive(root, salt, 'typeorm-kms-encrypted/1/seal', ROOT_LENGTH))
  }

  /** `iv` is given by tests only. */
  seal(plaintext: string | PlainBytes, scope: Scope, iv?: Buffer): CiphertextBytes {
    return sealGcm(this.#key, this.prefix, plaintext, this.#aad(scope), iv)
  }

  /** Throws `TamperedCiphertextError`, also for what this root would open and another one has sealed. */
  open(ciphertext: StoredKeyCiphertext, scope: Scope): PlaintextBytes {
    // AES-GCM does not commit to its key: a value can be made that opens under two roots. The id tells them apart.
    if (!this.isOf(ciphertext)) throw tampered()
    return openGcm(this.#key, ciphertext.bytes, this.prefix.length, this.#aad(scope))
  }

  /** True for a ciphertext that names this data key and salt. */
  isOf(ciphertext: StoredKeyCiphertext): boolean {
    return ciphertext.beginsLike(this.prefix)
  }

  #aad(scope: Scope): Buffer {
    if (this.#last?.scope !== scope) {
      this.#last = { scope, aad: Buffer.concat([this.prefix, scope.pairs]) }
    }
    return this.#last.aad
  }
}

/**
 * Bytes derived from a root of 32 bytes. Throws `TamperedCiphertextError` for a root of another length.
 *
 * Source: RFC 5869 (HKDF-SHA-256).
 */
export function derive(
  root: Uint8Array | KeyObject,
  salt: Uint8Array,
  info: string | Uint8Array,
  length: number,
): Buffer {
  if ((root instanceof Uint8Array ? root.length : root.symmetricKeySize) !== ROOT_LENGTH) throw tampered()
  return Buffer.from(hkdfSync('sha256', root, salt, info, length))
}
