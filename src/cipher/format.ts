import { createHash } from 'node:crypto'

/*
 * Ciphertext, version 1. docs/ciphertext-format.md describes it; test/vectors fixes it.
 *
 *   C1 01 suite(1) keyTag(4)  suite 1: n(2) encryptedDataKey(n) iv(12) ciphertext(m) tag(16)
 *                             suite 2, 3: CiphertextBlob of KMS Encrypt, to the end
 *   C1 01 04 dataKeyId(16) salt(8) iv(12) ciphertext(m) tag(16)
 */

/** First byte of every ciphertext: it occurs nowhere in UTF-8, so no text can be mistaken for a ciphertext. */
export const MAGIC = 0xc1
export const VERSION = 1

/** How the bytes after the header are sealed. 5 to 127 are kept for later releases. */
export const Suite = {
  /** AES-256-GCM under a data key that the ciphertext carries, encrypted under the KMS key. */
  Envelope: 1,
  /** KMS Encrypt of the value itself. */
  Direct: 2,
  /** KMS Encrypt of one zero byte that stands for the empty value, which KMS cannot encrypt. */
  DirectEmpty: 3,
  /** AES-256-GCM under a key derived from a stored data key. */
  StoredKey: 4,
} as const
export type Suite = (typeof Suite)[keyof typeof Suite]

/** Bytes of magic, version and suite: what all ciphertexts have in common. */
export const PREFIX_LENGTH = 3
/** Bytes of magic, version, suite and key tag: what the values of suites 1 to 3 under one KMS key begin with. */
export const HEADER_LENGTH = 7
export const IV_LENGTH = 12
export const TAG_LENGTH = 16

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
