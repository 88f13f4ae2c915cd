import { type Readable } from 'node:stream'
import { isKmsBlob } from '../../../kms/aws/blob-outline'
import { isCiphertext } from '../../../cipher/format'
import { UsageError } from '../../command'

/** Larger than any value that a person would look at. */
const MAX_BYTES = 64 * 2 ** 20

/** The bytes of a ciphertext that a user pasted, in hexadecimal as databases print it or in base64. */
export function parseCiphertext(text: string): Buffer {
  const compact = text.replace(/\s+/g, '')
  const hex = /^(?:0x|\\x|x')?((?:[0-9a-f]{2})+)'?$/i.exec(compact)?.[1]
  if (hex !== undefined) return Buffer.from(hex, 'hex')
  const bytes = Buffer.from(compact, 'base64')
  const digits = (base64: string): string =>
    base64.replace(/=+$/, '').replaceAll('-', '+').replaceAll('_', '/')
  if (compact !== '' && digits(bytes.toString('base64')) === digits(compact)) return bytes
  throw new UsageError('that is neither hexadecimal nor base64')
}

/** A ciphertext from a file or a pipe: its bytes, or a text of them. */
export async function readCiphertext(stdin: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stdin as AsyncIterable<Buffer | string>) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > MAX_BYTES) throw new UsageError('that is over 64 MB')
    chunks.push(bytes)
  }
  const bytes = Buffer.concat(chunks)
  return isCiphertext(bytes) || isKmsBlob(bytes) ? bytes : parseCiphertext(bytes.toString('latin1'))
}
