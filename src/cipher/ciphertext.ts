import { isBareCiphertextBlob, MAX_BLOB_LENGTH } from '../kms/blob-outlines'
import { type EncryptedDataKey } from '../kms/bytes'
import { HEADER_LENGTH, IV_LENGTH, MAGIC, PREFIX_LENGTH, Suite, TAG_LENGTH, VERSION } from './format'

/** A ciphertext of version 1, told apart by its suite. */
export type Ciphertext = EnvelopeCiphertext | DirectCiphertext | StoredKeyCiphertext

export type SuiteName = Ciphertext['suite']

/** What stored bytes are, as far as bytes can tell: with no key and no call to KMS. */
export type Parsed =
  | Ciphertext
  /** A `CiphertextBlob` of KMS with no header of this library. */
  | { readonly kind: 'bare'; readonly bytes: Buffer }
  /** Written by a release that knows a suite which this one does not. */
  | { readonly kind: 'newer'; readonly bytes: Buffer; readonly suite: number }
  /** Begins like a ciphertext, and is none that can be opened. */
  | { readonly kind: 'malformed'; readonly bytes: Buffer; readonly reason: string }
  | { readonly kind: 'plaintext'; readonly bytes: Buffer }

/** Suite 1: carries its data key, encrypted under the KMS key. */
export class EnvelopeCiphertext {
  readonly kind = 'ciphertext'
  readonly suite = 'envelope'

  constructor(
    readonly bytes: Buffer,
    /** Length of header and encrypted data key: what all values under one data key have in common. */
    readonly prefixLength: number,
  ) {}

  get keyTag(): Buffer {
    return keyTagIn(this.bytes)
  }

  get encryptedDataKey(): EncryptedDataKey & Buffer {
    return this.bytes.subarray(HEADER_LENGTH + 2, this.prefixLength) as EncryptedDataKey & Buffer
  }

  /** Identifies the data key, whatever the key tag. */
  get dataKeyId(): string {
    return this.bytes.toString('latin1', HEADER_LENGTH, this.prefixLength)
  }

  get iv(): Buffer {
    return this.bytes.subarray(this.prefixLength, this.prefixLength + IV_LENGTH)
  }

  /** IV, encrypted value and authentication tag. */
  get rest(): Buffer {
    return this.bytes.subarray(this.prefixLength)
  }

  /** Bytes of the value. */
  get valueLength(): number {
    return this.bytes.length - this.prefixLength - IV_LENGTH - TAG_LENGTH
  }
}

/** Suites 2 and 3: KMS encrypted the value itself, or one zero byte that stands for the empty value. */
export class DirectCiphertext {
  readonly kind = 'ciphertext'

  constructor(
    readonly bytes: Buffer,
    readonly suite: 'direct' | 'direct-empty',
  ) {}

  get keyTag(): Buffer {
    return keyTagIn(this.bytes)
  }

  /** What KMS made. */
  get blob(): Buffer {
    return this.bytes.subarray(HEADER_LENGTH)
  }
}

/** Suite 4: refers to a stored data key. */
export class StoredKeyCiphertext {
  readonly kind = 'ciphertext'
  readonly suite = 'stored-key'

  constructor(readonly bytes: Buffer) {}

  get dataKeyId(): Buffer {
    return this.bytes.subarray(PREFIX_LENGTH, StoredKey.SALT)
  }

  /** The data key id as a key of maps. */
  get dataKeyName(): string {
    return this.bytes.toString('latin1', PREFIX_LENGTH, StoredKey.SALT)
  }

  get salt(): Buffer {
    return this.bytes.subarray(StoredKey.SALT, StoredKey.IV)
  }

  /** The salt as a key of maps: no Buffer is made for it. */
  get saltName(): string {
    return this.bytes.toString('latin1', StoredKey.SALT, StoredKey.IV)
  }

  /** True if it begins with the same header, data key id and salt. */
  beginsLike(start: Uint8Array): boolean {
    return hasStart(this.bytes, start, StoredKey.IV)
  }

  /** True if it begins with the same header and data key id. */
  namesLike(start: Uint8Array): boolean {
    return hasStart(this.bytes, start, StoredKey.SALT)
  }

  get iv(): Buffer {
    return this.bytes.subarray(StoredKey.IV, StoredKey.BODY)
  }

  /** Encrypted value and authentication tag. */
  get sealed(): Buffer {
    return this.bytes.subarray(StoredKey.BODY)
  }

  /** Bytes of the value. */
  get valueLength(): number {
    return this.bytes.length - StoredKey.BODY - TAG_LENGTH
  }
}

/** Where the parts of suite 4 begin. */
const StoredKey = {
  SALT: PREFIX_LENGTH + 16,
  IV: PREFIX_LENGTH + 16 + 8,
  BODY: PREFIX_LENGTH + 16 + 8 + IV_LENGTH,
} as const

/** For so few bytes `Buffer.compare` takes five times as long. */
function hasStart(bytes: Uint8Array, start: Uint8Array, length: number): boolean {
  // The last bytes differ first: those before them name the data key, which mostly is the same.
  for (let at = length - 1; at >= 0; at--) if (bytes[at] !== start[at]) return false
  return true
}

/** No encrypted form of 32 bytes is shorter than they are. */
const MIN_ENCRYPTED_DATA_KEY = 32
/** One byte, and what authenticates it. */
const MIN_DIRECT_BLOB = 17
/** Suites that later releases of version 1 may write. */
const LAST_RESERVED_SUITE = 127

/** Tells what stored bytes are. It looks at the header and at lengths, and at nothing that a key service made. */
export function parse(bytes: Buffer): Parsed {
  if (bytes[0] !== MAGIC) return { kind: isBareCiphertextBlob(bytes) ? 'bare' : 'plaintext', bytes }
  if (bytes.length <= PREFIX_LENGTH) return malformed(bytes, 'is cut off')
  if (bytes[1] !== VERSION) {
    return malformed(bytes, `has format version ${String(bytes[1])}; this release reads version 1`)
  }
  const suite = bytes.readUInt8(2)
  switch (suite) {
    case Suite.Envelope:
      return parseEnvelope(bytes)
    case Suite.Direct:
      return parseDirect(bytes, 'direct')
    case Suite.DirectEmpty:
      return parseDirect(bytes, 'direct-empty')
    case Suite.StoredKey:
      return bytes.length < StoredKey.BODY + TAG_LENGTH
        ? malformed(bytes, 'is cut off')
        : new StoredKeyCiphertext(bytes)
    default:
      return suite > Suite.StoredKey && suite <= LAST_RESERVED_SUITE
        ? { kind: 'newer', bytes, suite }
        : malformed(bytes, `has suite ${suite}, which does not exist`)
  }
}

function parseEnvelope(bytes: Buffer): Parsed {
  if (bytes.length < HEADER_LENGTH + 2) return malformed(bytes, 'is cut off')
  const length = bytes.readUInt16BE(HEADER_LENGTH)
  const end = HEADER_LENGTH + 2 + length
  if (!isEncryptedDataKeyLength(length)) {
    return malformed(
      bytes,
      `has an encrypted data key of ${length} bytes; KMS makes and takes ${MIN_ENCRYPTED_DATA_KEY} to ${MAX_BLOB_LENGTH}`,
    )
  }
  if (end + IV_LENGTH + TAG_LENGTH > bytes.length) return malformed(bytes, 'is cut off')
  return new EnvelopeCiphertext(bytes, end)
}

/** True if an encrypted data key can have this many bytes. */
export function isEncryptedDataKeyLength(length: number): boolean {
  return length >= MIN_ENCRYPTED_DATA_KEY && length <= MAX_BLOB_LENGTH
}

function parseDirect(bytes: Buffer, suite: DirectCiphertext['suite']): Parsed {
  const length = bytes.length - HEADER_LENGTH
  if (length < MIN_DIRECT_BLOB) return malformed(bytes, 'is cut off')
  if (length > MAX_BLOB_LENGTH)
    return malformed(bytes, `has ${length} bytes for KMS, which takes at most ${MAX_BLOB_LENGTH}`)
  return new DirectCiphertext(bytes, suite)
}

function malformed(bytes: Buffer, reason: string): Parsed {
  return { kind: 'malformed', bytes, reason }
}

function keyTagIn(bytes: Buffer): Buffer {
  return bytes.subarray(PREFIX_LENGTH, HEADER_LENGTH)
}

/**
 * The bytes of a ciphertext that is stored as base64, where the text of it lies in a binary column: between a
 * change of `storage` and its rotation. `undefined` for anything else, at the cost of one comparison.
 */
export function fromBase64Bytes(stored: Buffer): Buffer | undefined {
  // 'w' is the first digit of every ciphertext in base64.
  if (stored[0] !== 0x77) return undefined
  const text = stored.toString('latin1')
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) return undefined
  const { kind } = parse(bytes)
  return kind === 'ciphertext' || kind === 'newer' ? bytes : undefined
}
