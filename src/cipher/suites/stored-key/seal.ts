import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { asCiphertext, type CiphertextBytes } from '../../bytes'
import { type StoredKeyCiphertext } from '../../ciphertext'
import { nextIv } from '../../data-keys/iv'
import { MAGIC, Suite, TAG_LENGTH, VERSION } from '../../format'
import { type Scope } from '../../scope'
import { tampered } from '../../tampered'

/** Bytes of a stored data key. */
export const ROOT_LENGTH = 32
/** Bytes of the id of a stored data key. */
export const ID_LENGTH = 16
/** Bytes of the salt in the header. */
export const SALT_LENGTH = 8

const PREFIX = Uint8Array.of(MAGIC, VERSION, Suite.StoredKey)
const NO_SALT = Buffer.alloc(0)

/**
 * The id of a stored data key, derived from its root: a ciphertext that names it commits to that root.
 *
 * Source: RFC 5869 (HKDF).
 */
export function storedKeyId(root: Uint8Array): Buffer {
  return derive(root, NO_SALT, 'typeorm-kms-encrypted/1/id', ID_LENGTH)
}

/**
 * Seals and opens the values of suite 4 under one stored data key and one salt. Nothing uses the root itself. The
 * caller owns the root; what is derived from it is zero-filled by `destroy()`.
 */
export class StoredKeySeal {
  readonly #id: Buffer
  readonly #salt: Buffer
  readonly #key: Buffer

  /** `salt`: 8 bytes, random for each process and root, and replaced after 2^32 values (NIST SP 800-38D, 8.3). */
  constructor(root: Uint8Array, salt: Uint8Array) {
    this.#id = storedKeyId(root)
    this.#salt = Buffer.from(salt)
    this.#key = derive(root, salt, 'typeorm-kms-encrypted/1/seal', ROOT_LENGTH)
  }

  /** `iv` is given by tests only. */
  seal(plaintext: string | Uint8Array, scope: Scope, iv: Buffer = nextIv()): CiphertextBytes {
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv).setAAD(this.#aad(scope))
    const body = typeof plaintext === 'string' ? cipher.update(plaintext, 'utf8') : cipher.update(plaintext)
    cipher.final()
    return asCiphertext(Buffer.concat([PREFIX, this.#id, this.#salt, iv, body, cipher.getAuthTag()]))
  }

  /** Throws `TamperedCiphertextError`, also for what this root would open and another one has sealed. */
  open(ciphertext: StoredKeyCiphertext, scope: Scope): Buffer {
    const { dataKeyId, salt, iv, sealed } = ciphertext
    // AES-GCM does not commit to its key: a value can be made that opens under two roots. The id tells them apart.
    if (!dataKeyId.equals(this.#id) || !salt.equals(this.#salt)) throw tampered()
    const tagAt = sealed.length - TAG_LENGTH
    const decipher = createDecipheriv('aes-256-gcm', this.#key, iv, { authTagLength: TAG_LENGTH })
    decipher.setAAD(this.#aad(scope)).setAuthTag(sealed.subarray(tagAt))
    const plaintext = decipher.update(sealed.subarray(0, tagAt))
    try {
      decipher.final()
    } catch (cause) {
      plaintext.fill(0)
      throw tampered(cause)
    }
    return plaintext
  }

  destroy(): void {
    this.#key.fill(0)
  }

  #aad({ pairs }: Scope): Buffer {
    return Buffer.concat([PREFIX, this.#id, this.#salt, pairs])
  }
}

function derive(root: Uint8Array, salt: Uint8Array, info: string, length: number): Buffer {
  if (root.length !== ROOT_LENGTH) throw tampered()
  return Buffer.from(hkdfSync('sha256', root, salt, info, length))
}
