import { createHash, createHmac, type KeyObject } from 'node:crypto'
import { takeKey } from '../aes-gcm'
import { type EncryptionContext, serialiseContext } from '../context'
import { derive, NO_SALT, ROOT_LENGTH } from '../suites/stored-key/seal'

/** Bytes of an index value. */
export const INDEX_LENGTH = 16

const INFO = Buffer.from('typeorm-kms-encrypted/1/index')

/** What one blind index belongs to: the names as they were when it was made. */
export interface IndexPlace {
  table: string
  column: string
  /** Name of the index. */
  index: string
  /** The pairs of `keyPer`, if the column has any. */
  keyPer?: EncryptionContext
}

/**
 * The key of a blind index, derived from the root of purpose `index`.
 *
 * Source: RFC 5869 (HKDF). The pairs stand in `info` by their SHA-256, since many implementations take no `info`
 * beyond 1,024 bytes.
 */
export function blindIndexKey(root: Uint8Array | KeyObject, place: IndexPlace): KeyObject {
  const { table, column, index, keyPer = {} } = place
  const pairs = createHash('sha256')
    .update(serialiseContext({ ...keyPer, table, column, index }))
    .digest()
  return takeKey(derive(root, NO_SALT, Buffer.concat([INFO, pairs]), ROOT_LENGTH))
}

/**
 * The index of a value: equal for equal values under one key. `value`: serialised, after `normalize`. Of a key as
 * bytes, Node 24 would make an object with every value, which takes five times as long.
 */
export function blindIndexValue(key: KeyObject, value: string | Uint8Array): Buffer {
  return createHmac('sha256', key).update(value).digest().subarray(0, INDEX_LENGTH)
}

/** Several values as one, for an index over all of them: each as its length in 4 bytes, big-endian, and its bytes. */
export function joinedValues(values: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(
    values.flatMap((value) => {
      const bytes = Buffer.from(value as Uint8Array)
      const length = Buffer.alloc(4)
      length.writeUInt32BE(bytes.length)
      return [length, bytes]
    }),
  )
}

/** The first bits of an index, in as few bytes as hold them; those left over in the last one are 0. */
export function firstBits(index: Buffer, bits: number): Buffer {
  const first = Buffer.from(index.subarray(0, Math.ceil(bits / 8)))
  const left = first.length * 8 - bits
  const last = first.length - 1
  first[last] = (first[last] ?? 0) & (0xff << left)
  return first
}
