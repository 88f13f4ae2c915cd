import { createHash } from 'node:crypto'
import { MalformedCiphertextError } from '../errors'

/*
 * Ciphertext, version 1. docs/ciphertext-format.md describes it; test/vectors fixes it.
 *
 *   C1 01 suite(1) keyTag(4)  suite 1: n(2) encryptedDataKey(n) iv(12) ciphertext(m) tag(16)
 *                             suite 2, 3: CiphertextBlob of KMS Encrypt, to the end
 */

/** First byte of every ciphertext: it occurs nowhere in UTF-8, so no text can be mistaken for a ciphertext. */
export const MAGIC = 0xc1
export const VERSION = 1

/** How the bytes after the header are sealed. 4 is kept for headers that refer to a stored data key. */
export const Suite = {
  /** AES-256-GCM under a data key that the ciphertext carries, encrypted under the KMS key. */
  Envelope: 1,
  /** KMS Encrypt of the value itself. */
  Direct: 2,
  /** KMS Encrypt of one zero byte that stands for the empty value, which KMS cannot encrypt. */
  DirectEmpty: 3,
} as const
export type Suite = (typeof Suite)[keyof typeof Suite]

/** Bytes of magic, version, suite and key tag: what all ciphertexts of one kind under one KMS key begin with. */
export const HEADER_LENGTH = 7
export const IV_LENGTH = 12
export const TAG_LENGTH = 16

/** Smallest envelope ciphertext: an encrypted data key of one byte around an empty value. */
const MIN_ENVELOPE_LENGTH = HEADER_LENGTH + 2 + 1 + IV_LENGTH + TAG_LENGTH

/** True for the bytes of a ciphertext of this library, of any version; false for text in UTF-8. */
export function isCiphertext(bytes: Uint8Array): boolean {
  return bytes[0] === MAGIC
}

/** The first 4 bytes of SHA-256 of the KMS key's ARN: tells which key a row is under with no call to KMS. */
export function keyTag(keyArn: string): Buffer {
  return createHash('sha256').update(keyArn).digest().subarray(0, 4)
}

/** The 7 bytes before the sealed part. */
export function header(suite: Suite, tag: Uint8Array): Buffer {
  return Buffer.concat([Uint8Array.of(MAGIC, VERSION, suite), tag])
}

/** What every envelope ciphertext under one data key begins with: header, length and the encrypted data key. */
export function envelopePrefix(keyArn: string, encryptedDataKey: Uint8Array): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(encryptedDataKey.length)
  return Buffer.concat([header(Suite.Envelope, keyTag(keyArn)), length, encryptedDataKey])
}

/** The suite of a ciphertext of version 1. Throws `MalformedCiphertextError` for anything else. */
export function suiteOf(bytes: Uint8Array): Suite {
  if (bytes.length <= HEADER_LENGTH || bytes[0] !== MAGIC) throw malformed('is cut off')
  if (bytes[1] !== VERSION)
    throw malformed(`has format version ${String(bytes[1])}; this release reads version 1`)
  const suite = bytes[2]
  if (suite !== Suite.Envelope && suite !== Suite.Direct && suite !== Suite.DirectEmpty) {
    throw malformed(`has suite ${String(suite)}, which this release does not know`)
  }
  return suite
}

/** Where the encrypted data key of an envelope ciphertext ends; it starts at byte 9. */
export function endOfDataKey(bytes: Buffer): number {
  if (bytes.length < MIN_ENVELOPE_LENGTH) throw malformed('is cut off')
  const end = HEADER_LENGTH + 2 + bytes.readUInt16BE(HEADER_LENGTH)
  if (end === HEADER_LENGTH + 2 || end + IV_LENGTH + TAG_LENGTH > bytes.length) throw malformed('is cut off')
  return end
}

function malformed(what: string): MalformedCiphertextError {
  return new MalformedCiphertextError(
    `the stored ciphertext ${what}. Restore the row from a backup, or look at it with a raw query; nothing was changed.`,
  )
}
