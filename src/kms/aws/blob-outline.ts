import { isUtf8 } from 'node:buffer'

/** Longest ciphertext that KMS Decrypt takes. */
export const MAX_BLOB_LENGTH = 6144

/**
 * True for what looks like a `CiphertextBlob` of KMS under a symmetric key. AWS calls the blob opaque; those of
 * today begin `01 xx xx 00 78`, those of the service's first years `0A 20`. Text must not pass: it would be sent
 * to KMS. Only for blobs without a header of this library: a ciphertext is known by its header.
 */
export function isBareCiphertextBlob(bytes: Buffer): boolean {
  return bytes.length <= MAX_BLOB_LENGTH && isKmsBlob(bytes) && !isUtf8(bytes)
}

/** True for bytes with the outline of what KMS makes: long enough, and beginning as its blobs do. */
export function isKmsBlob(bytes: Buffer): boolean {
  if (bytes.length < 100) return false
  const today = bytes[0] === 0x01 && bytes[3] === 0x00 && bytes[4] === 0x78
  const early = bytes[0] === 0x0a && bytes[1] === 0x20
  return today || early
}
