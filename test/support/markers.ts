import { randomBytes } from 'node:crypto'

/** A random string of ASCII letters and digits that occurs nowhere but where a test's plaintext went. */
export const newMarker = (): string => `canary${randomBytes(12).toString('hex')}`

/** The forms in which a marker can hide in a log, a packet, an error or an inspected object. */
export type MarkerForm = 'text' | 'utf16' | 'hex' | 'base64' | 'numbers'

/** In which forms the marker occurs in the bytes: none, if nothing leaked. */
export function formsOfMarker(haystack: Buffer | string, marker: string): MarkerForm[] {
  const bytes = Buffer.from(haystack)
  const found: MarkerForm[] = []
  if (bytes.includes(marker)) found.push('text')
  if (bytes.includes(Buffer.from(marker, 'utf16le'))) found.push('utf16')
  if (base64Forms(marker).some((form) => bytes.includes(form))) found.push('base64')

  // A Buffer is inspected as `<Buffer 63 61 …>`, logged as `\x6361…` or 0x…, and its JSON is `[99,97,…]`.
  const compact = bytes.toString('latin1').replace(/\s+/g, '')
  if (compact.toLowerCase().includes(Buffer.from(marker).toString('hex'))) found.push('hex')
  if (compact.includes(`,${Buffer.from(marker).subarray(1).join(',')}`)) found.push('numbers')
  return found
}

/** Base64 depends on where in a group of three bytes the marker starts; its first and last digits on its neighbours. */
function base64Forms(marker: string): string[] {
  return [0, 1, 2].map((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), Buffer.from(marker)]).toString('base64')
    return encoded.replace(/=+$/, '').slice(4, -2)
  })
}
