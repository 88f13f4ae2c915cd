import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto'
import { inspect } from 'node:util'
import { ClosedError, TamperedCiphertextError } from '../errors'
import {
  endOfDataKey,
  envelopePrefix,
  HEADER_LENGTH,
  isCiphertext,
  IV_LENGTH,
  keyTag,
  Suite,
  suiteOf,
  TAG_LENGTH,
} from './format'

const ALGORITHM = 'aes-256-gcm'
const OPTIONS = { authTagLength: TAG_LENGTH }
const KEY_LENGTH = 32
/** Where the key tag stands in the header. */
const KEY_TAG_OFFSET = 3

/**
 * A plaintext data key in memory, with its encrypted form. Seals and opens values with AES-256-GCM (NIST SP
 * 800-38D, 96-bit random IV, 128-bit tag) and zero-fills itself when it is destroyed.
 */
export class DataKey {
  /** Identifies the data key: its encrypted form. */
  readonly id: string
  /** Number of values sealed so far. */
  uses = 0
  readonly #key: Buffer
  readonly #prefix: Buffer
  /** The key tag in the header, as a number: comparing those is free. */
  readonly #tag: number
  /** The last bytes of the encrypted data key, as a number. */
  readonly #tail: number
  readonly #createdAt = performance.now()
  #destroyed = false
  #zeroFilled = false

  /** Throws `TamperedCiphertextError` if these are not 32 bytes: then they are some other value under this context. */
  constructor(
    /** The 32 bytes of the plaintext key; taken over and zero-filled by `destroy()`. */
    key: Buffer,
    encryptedDataKey: Uint8Array,
    readonly keyArn: string,
    /** `contextKey` of the scopes that may use it. */
    readonly contextKey: string,
  ) {
    if (key.length !== KEY_LENGTH) {
      key.fill(0)
      throw tampered()
    }
    this.#key = key
    this.#prefix = envelopePrefix(keyArn, encryptedDataKey)
    this.#tag = this.#prefix.readUInt32BE(KEY_TAG_OFFSET)
    this.#tail = this.#prefix.readUInt32BE(this.#prefix.length - 4)
    this.id = dataKeyId(this.#prefix, this.#prefix.length)
  }

  /** True while it may be used: not destroyed and no older than `maxAge` milliseconds. */
  isFresh(maxAge: number): boolean {
    return !this.#destroyed && performance.now() - this.#createdAt <= maxAge
  }

  /** True if an envelope ciphertext, whose encrypted data key ends at `end`, carries this data key. */
  opens(ciphertext: Buffer, end: number): boolean {
    const prefix = this.#prefix
    return prefix.length === end && ciphertext.compare(prefix, HEADER_LENGTH, end, HEADER_LENGTH, end) === 0
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
      ciphertext.readUInt32BE(KEY_TAG_OFFSET) === this.#tag &&
      ciphertext.readUInt32BE(end - 4) === this.#tail
    )
  }

  /** Seals a value; text is sealed as UTF-8. */
  seal(plaintext: string | Uint8Array, aad: Buffer): Buffer {
    this.uses++
    const iv = nextIv()
    const cipher = createCipheriv(ALGORITHM, this.#material, iv).setAAD(aad)
    const body = typeof plaintext === 'string' ? cipher.update(plaintext, 'utf8') : cipher.update(plaintext)
    cipher.final()
    // A tenth faster than Buffer.concat.
    const start = this.#prefix.length
    const ciphertext = Buffer.allocUnsafe(start + IV_LENGTH + body.length + TAG_LENGTH)
    ciphertext.set(this.#prefix)
    ciphertext.set(iv, start)
    ciphertext.set(body, start + IV_LENGTH)
    ciphertext.set(cipher.getAuthTag(), start + IV_LENGTH + body.length)
    return ciphertext
  }

  /** Opens an envelope ciphertext whose encrypted data key ends at `end`. */
  open(ciphertext: Buffer, end: number, aad: Buffer): Buffer {
    // The key tag is not part of the AAD, so that rotation can replace it; it must match all the same.
    if (ciphertext.readUInt32BE(KEY_TAG_OFFSET) !== this.#tag && !tagMatches(ciphertext, this.keyArn))
      throw tampered()
    return this.#open(ciphertext, end, aad)
  }

  /** Opens a ciphertext that carries this data key (`isCarriedBy`). */
  openCarrier(ciphertext: Buffer, aad: Buffer): Buffer {
    return this.#open(ciphertext, this.#prefix.length, aad)
  }

  #open(ciphertext: Buffer, end: number, aad: Buffer): Buffer {
    const body = end + IV_LENGTH
    const tag = ciphertext.length - TAG_LENGTH
    const decipher = createDecipheriv(ALGORITHM, this.#material, ciphertext.subarray(end, body), OPTIONS)
    decipher.setAAD(aad).setAuthTag(ciphertext.subarray(tag))
    const plaintext = decipher.update(ciphertext.subarray(body, tag))
    try {
      decipher.final()
    } catch (cause) {
      plaintext.fill(0)
      throw tampered(cause)
    }
    return plaintext
  }

  destroy(): void {
    if (this.#destroyed) return
    this.#destroyed = true
    // Whoever was handed this key in the current turn of the event loop may still finish with it.
    setImmediate(() => {
      this.#key.fill(0)
      this.#zeroFilled = true
    })
  }

  /** The key itself, and never the zeros that are left of it. */
  get #material(): Buffer {
    if (this.#zeroFilled) throw new ClosedError('the data key is no longer in memory. Repeat the operation.')
    return this.#key
  }

  [inspect.custom](): string {
    return `DataKey { keyArn: '${this.keyArn}', uses: ${this.uses} }`
  }
}

/** True if what follows is a whole envelope ciphertext with the same data key and key tag as a first, whole one. */
export function shareDataKey(first: Buffer, next: Buffer): boolean {
  if (!isCiphertext(first) || suiteOf(first) !== Suite.Envelope) return false
  const end = endOfDataKey(first)
  return next.length >= end + IV_LENGTH + TAG_LENGTH && first.compare(next, 0, end, 0, end) === 0
}

/** Identifies the data key that an envelope ciphertext carries. */
export function dataKeyId(ciphertext: Buffer, end = endOfDataKey(ciphertext)): string {
  return ciphertext.toString('latin1', HEADER_LENGTH, end)
}

/**
 * True if the key tag of a ciphertext is that of the key which opened it. The replicas of a multi-Region key have
 * one ARN per Region and open each other's ciphertexts, so their tag is not compared.
 */
export function tagMatches(ciphertext: Buffer, keyArn: string): boolean {
  return (
    ciphertext.compare(tagOf(keyArn), 0, 4, KEY_TAG_OFFSET, HEADER_LENGTH) === 0 ||
    keyArn.includes(':key/mrk-')
  )
}

const tags = new Map<string, Buffer>()

function tagOf(keyArn: string): Buffer {
  let tag = tags.get(keyArn)
  if (!tag) tags.set(keyArn, (tag = keyTag(keyArn)))
  return tag
}

export function tampered(cause?: unknown): TamperedCiphertextError {
  return new TamperedCiphertextError(
    'the stored ciphertext was altered, or was copied here from another column. Restore the row from a backup.',
    { cause },
  )
}

/** IVs are drawn from a pool, because asking the system for 12 bytes at a time costs more than encrypting does. */
const pool = Buffer.alloc(IV_LENGTH * 512)
let next = pool.length

function nextIv(): Buffer {
  if (next === pool.length) {
    randomFillSync(pool)
    next = 0
  }
  return pool.subarray(next, (next += IV_LENGTH))
}
