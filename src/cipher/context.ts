import { InvalidOptionError } from '../errors'
import { type EncryptionContext } from '../kms/encryption-context'
import { isReservedName } from './reserved-names'

export { type EncryptionContext }

/**
 * Serialises pairs for use as AAD: pair count, then each key and value as UTF-8 with its length before it, all
 * numbers 16-bit big-endian, sorted by the bytes of the key.
 *
 * Source: AWS Encryption SDK, message header, "AAD structure".
 */
export function serialiseContext(context: EncryptionContext): Buffer {
  const pairs = Object.entries(context)
    .map(([key, value]) => [Buffer.from(key), Buffer.from(value)] as const)
    .sort(([a], [b]) => a.compare(b))
  return Buffer.concat([
    uint16(pairs.length),
    ...pairs.flatMap(([key, value]) => [...sized(key), ...sized(value)]),
  ])
}

/** Refuses a user's encryption context that KMS would refuse, or that could be confused with the binding. */
export function checkContext(
  context: EncryptionContext,
  where: { entity?: string; property?: string } = {},
): void {
  const refuse = (reason: string): never => {
    throw new InvalidOptionError(`the encryption context ${reason}`, where)
  }
  if (typeof context !== 'object' || (context as unknown) === null || Array.isArray(context)) {
    refuse('must be an object of strings')
  }
  const pairs = Object.entries(context)
  // Under no context, an encrypted data key would open as a bare CiphertextBlob that another program stored.
  if (pairs.length === 0) refuse('must have at least one pair')
  let bytes = 0
  for (const [key, value] of pairs) {
    if (typeof value !== 'string') refuse(`must hold strings only; "${key}" is not one`)
    if (isReservedName(key))
      refuse(`must not use "${key}": the library binds values to their column under that name`)
    if (key === '' || !key.isWellFormed() || !value.isWellFormed())
      refuse('must hold well-formed, non-empty names')
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  // KMS takes at most 8192 bytes with its own framing; the binding needs room too.
  if (bytes > 7000) refuse(`has ${bytes} bytes; KMS takes at most 8192 with the column's own pairs`)
}

function sized(bytes: Buffer): [Buffer, Buffer] {
  return [uint16(bytes.length), bytes]
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}
