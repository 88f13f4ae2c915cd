import { type Ciphertext, parse } from '../../cipher/ciphertext'
import { MAGIC } from '../../cipher/format'
import { type Plaintext } from '../../column/types'

/**
 * The whole ciphertext that a value is: raw rows, or something else that went around the decryption, may be about to be
 * encrypted a second time. Bytes, base64, hexadecimal as drivers and databases print it, and a JSON text of these are
 * seen. Nearly every value is told by its first character. Of values of random bytes one in 16 million looks like one:
 * whose it is, `Cipher.isOwn` finds out.
 */
export function ciphertextIn(plaintext: Plaintext): Ciphertext | undefined {
  const bytes = typeof plaintext === 'string' ? bytesOfText(plaintext) : bytesOfBytes(plaintext)
  const parsed = bytes && parse(bytes)
  return parsed?.kind === 'ciphertext' ? parsed : undefined
}

/** How a ciphertext begins as text: in base64, or in hexadecimal as drivers and databases print it; in JSON, too. */
const START = /^"?(?:wQE|(?:\\{1,2}x|0x)?c101)/i
const FIRST = new Set(['w', 'c', 'C', '\\', '0', '"'])

function bytesOfText(text: string): Buffer | undefined {
  if (!FIRST.has(text.charAt(0)) || !START.test(text)) return undefined
  const whole = text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
  const hex = /^(?:\\{1,2}x|0x)?((?:[0-9a-f]{2})+)$/i.exec(whole)?.[1]
  if (hex !== undefined) return Buffer.from(hex, 'hex')
  const bytes = Buffer.from(whole, 'base64')
  return bytes.toString('base64') === whole ? bytes : undefined
}

function bytesOfBytes(plaintext: Uint8Array): Buffer | undefined {
  const bytes = Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength)
  if (bytes[0] === MAGIC) return bytes
  const start = bytes.toString('latin1', 0, LONGEST_START)
  return START.test(start) ? bytesOfText(bytes.toString('latin1')) : undefined
}

const LONGEST_START = 8
