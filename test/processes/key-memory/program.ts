import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { DataKey } from '../../../src/cipher/data-keys/data-key'
import { asEncryptedDataKey } from '../../../src/kms/bytes'

const MEMORY = '/proc/self/mem'
const MASK = 0x5a
const chunk = Buffer.alloc(1 << 22)

/** The number of places in the memory of this process where these bytes stand. They are given masked: not to be one. */
function placesOf(masked: Buffer): number {
  const bytes = masked.map((byte) => byte ^ MASK)
  const [first = 0, second = 0] = bytes
  bytes.fill(0)
  const start = Buffer.of(first, second)
  const file = openSync(MEMORY, 'r')
  let places = 0
  try {
    for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? []
      if (from === undefined || to === undefined) continue
      const end = BigInt(`0x${to}`)
      for (let at = BigInt(`0x${from}`); at < end; at += BigInt(chunk.length)) {
        const rest = Number(end - at)
        chunk.fill(0)
        const length = readIfThere(file, Math.min(rest, chunk.length), at)
        for (let place = chunk.indexOf(start); place >= 0 && place + 32 <= length;) {
          if (masked.every((byte, index) => ((chunk[place + index] ?? 0) ^ MASK) === byte)) places++
          place = chunk.indexOf(start, place + 1)
        }
      }
    }
  } finally {
    closeSync(file)
    chunk.fill(0)
  }
  return places
}

/** Some of the memory may be gone by now, or cannot be read. */
function readIfThere(file: number, length: number, at: bigint): number {
  try {
    return readSync(file, chunk, 0, length, at)
  } catch {
    return 0
  }
}

/**
 * Seals and opens with a data key, destroys it, and prints in how many places of the memory its bytes stand, before and
 * after. The process has little else in its memory: to look through that of a worker of Jest takes up to a minute.
 */
async function main(): Promise<void> {
  const aad = Buffer.from('aad')
  const bytes = randomBytes(32)
  const masked = Buffer.from(bytes.map((byte) => byte ^ MASK))
  const kept: { key: DataKey | undefined } = {
    key: new DataKey(bytes, asEncryptedDataKey(randomBytes(184)), 'arn', { context: {}, contextKey: '' }),
  }
  let opened = 0
  for (let n = 0; n < 20; n++) {
    const sealed = kept.key?.seal('x', aad) ?? Buffer.alloc(0)
    if (kept.key?.openCarrier(sealed, aad).toString() === 'x') opened++
  }
  const before = placesOf(masked)
  kept.key?.destroy()
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setImmediate(resolve))
    globalThis.gc?.()
  }
  process.stdout.write(JSON.stringify({ opened, before, after: placesOf(masked) }))
}

void main()
