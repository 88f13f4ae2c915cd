import { parse } from '../../cipher/ciphertext'
import { HEADER_LENGTH, PREFIX_LENGTH } from '../../cipher/format'
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
    parse(bytes).kind === 'ciphertext' &&
    bytes.compare(sealed, PREFIX_LENGTH, HEADER_LENGTH, PREFIX_LENGTH, HEADER_LENGTH) === 0
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
  if (bytes[0] === 0xc1) return bytes
  // The first digit of every ciphertext in base64.
  return bytes[0] === 0x77 ? bytesOfText(bytes.toString('latin1')) : undefined
}
