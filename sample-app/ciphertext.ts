import { createHash } from 'node:crypto'

/** Bytes of a ciphertext, and what they are. */
export type Part = readonly [bytes: Buffer, meaning: string]

/** Magic, version, suite and key tag: what both modes begin with. */
export const HEADER_LENGTH = 7

const IV_LENGTH = 12
const TAG_LENGTH = 16

/** Takes a ciphertext of envelope mode apart. The format is described in docs/ciphertext-format.md. */
export function partsOf(ciphertext: Buffer): Part[] {
  const dataKeyAt = HEADER_LENGTH + 2
  const ivAt = dataKeyAt + ciphertext.readUInt16BE(HEADER_LENGTH)
  const sealedAt = ivAt + IV_LENGTH
  const tagAt = ciphertext.length - TAG_LENGTH
  const part = (start: number, end: number, meaning: string): Part => [
    ciphertext.subarray(start, end),
    meaning,
  ]
  return [
    part(0, 1, 'magic: no text in UTF-8 contains this byte'),
    part(1, 2, 'version 1 of the format'),
    part(2, 3, 'suite 1: envelope encryption, AES-256-GCM'),
    part(3, 7, "key tag: how the SHA-256 of the KMS key's ARN begins"),
    part(7, 9, `length of what follows: ${ivAt - dataKeyAt}`),
    part(dataKeyAt, ivAt, `the encrypted data key, ${ivAt - dataKeyAt} bytes: KMS alone opens it`),
    part(ivAt, sealedAt, 'IV: random for each value'),
    part(sealedAt, tagAt, `the value, ${tagAt - sealedAt} bytes, encrypted`),
    part(tagAt, ciphertext.length, 'tag: change one bit, and the value does not open'),
  ]
}

/** The key tag of values under a KMS key. */
export function keyTagOf(keyArn: string): Buffer {
  return createHash('sha256').update(keyArn).digest().subarray(0, 4)
}
