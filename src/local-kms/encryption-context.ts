import { invalid } from './exception'
import { type RequestFields } from './request-fields'

/** An encryption context in canonical bytes: equal for equal maps, whatever the order of their pairs. */
export type CanonicalContext = Buffer

/** Most bytes of keys and values together (https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html). */
const MAX_BYTES = 8192

/**
 * Reads an encryption context field into canonical bytes: the pairs sorted by the UTF-8 bytes of their keys,
 * each key and value preceded by its length. No context and an empty one are the same, as at AWS.
 */
export function readEncryptionContext(input: RequestFields, field = 'EncryptionContext'): CanonicalContext {
  const pairs = Object.entries(input.stringMap(field)).map(([key, value]): [Buffer, Buffer] => [
    Buffer.from(key),
    Buffer.from(value),
  ])
  const size = pairs.flat().reduce((sum, part) => sum + part.length, 0)
  if (size > MAX_BYTES) {
    throw invalid(`${field} must not be larger than ${MAX_BYTES} bytes, but it is ${size} bytes.`)
  }
  pairs.sort(([left], [right]) => Buffer.compare(left, right))
  return Buffer.concat(pairs.flat().flatMap((part) => [lengthOf(part), part]))
}

function lengthOf(part: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(part.length)
  return length
}
