import { hash } from 'node:crypto'

/** Bytes of a block of SHA-256: no key may be longer here. */
const BLOCK = 64
const DIGEST = 32

/**
 * HMAC-SHA-256 by two hashes. Node's `createHmac` makes an object for each value, which takes twice as long and has to
 * be collected, and on Node 24 ten times as long. Nothing of key and message is left in memory.
 *
 * Source: RFC 2104.
 */
export function hmacSha256(key: Uint8Array, message: string | Uint8Array): Buffer {
  const length = typeof message === 'string' ? Buffer.byteLength(message) : message.length
  const inner = padded(key, 0x36, length)
  if (typeof message === 'string') inner.write(message, BLOCK)
  else inner.set(message, BLOCK)
  const outer = padded(key, 0x5c, DIGEST)
  const innerDigest = hash('sha256', inner, 'buffer')
  outer.set(innerDigest, BLOCK)
  const digest = hash('sha256', outer, 'buffer')
  for (const each of [inner, innerDigest, outer]) each.fill(0)
  return digest
}

/**
 * HKDF-SHA-256 for up to 32 bytes. Node's `hkdfSync` takes twice as long.
 *
 * Source: RFC 5869.
 */
export function hkdfSha256(
  root: Uint8Array,
  salt: Uint8Array,
  info: string | Uint8Array,
  length: number,
): Buffer {
  const key = hmacSha256(salt, root)
  const expanded = hmacSha256(key, Buffer.concat([Buffer.from(info as Uint8Array), Buffer.of(1)]))
  key.fill(0)
  if (length === DIGEST) return expanded
  const derived = Buffer.from(expanded.subarray(0, length))
  expanded.fill(0)
  return derived
}

/** The key in a block, each byte combined with another one, and room behind it. */
function padded(key: Uint8Array, pad: number, room: number): Buffer {
  if (key.length > BLOCK) throw new RangeError('The key is longer than a block')
  const block = Buffer.allocUnsafe(BLOCK + room)
  for (let at = 0; at < key.length; at++) block[at] = (key[at] ?? 0) ^ pad
  block.fill(pad, key.length, BLOCK)
  return block
}
