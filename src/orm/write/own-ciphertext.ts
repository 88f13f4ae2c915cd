import { HEADER_LENGTH, KEY_TAG_OFFSET } from '../../cipher/format'
import { fromBase64Bytes, recognise } from '../../cipher/recognise'
import { type Plaintext } from '../../column/types'

/**
 * True if a value is itself a whole ciphertext under the KMS key that `sealed` is under: raw rows, or something else
 * that went around the decryption, are about to be encrypted a second time. Bytes, base64 and a JSON text of base64
 * are seen. Nearly every value is told by its first character.
 */
export function isOwnCiphertext(plaintext: Plaintext, sealed: Buffer): boolean {
  const bytes = typeof plaintext === 'string' ? bytesOfText(plaintext) : bytesOfBytes(plaintext)
  return (
    bytes !== undefined &&
    recognise(bytes).kind === 'ciphertext' &&
    bytes.compare(sealed, KEY_TAG_OFFSET, HEADER_LENGTH, KEY_TAG_OFFSET, HEADER_LENGTH) === 0
  )
}

function bytesOfText(text: string): Buffer | undefined {
  const base64 = text.startsWith('"wQE') && text.endsWith('"') ? text.slice(1, -1) : text
  if (!base64.startsWith('wQE')) return undefined
  const bytes = Buffer.from(base64, 'base64')
  return bytes.toString('base64') === base64 ? bytes : undefined
}

function bytesOfBytes(plaintext: Uint8Array): Buffer | undefined {
  const bytes = Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength)
  return bytes[0] === 0xc1 ? bytes : fromBase64Bytes(bytes)
}
