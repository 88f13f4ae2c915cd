import { createCipheriv, createDecipheriv, type CipherGCM, type DecipherGCM } from 'node:crypto'
import { type ForeignFormat } from '../column/foreign-format'
import { InvalidOptionError } from '../errors'

/** Options of `typeormEncrypted()`: those that the column had in typeorm-encrypted. */
export interface TypeormEncryptedFormatOptions {
  /** Hexadecimal. */
  key: string
  /** As Node names it, e.g. `aes-256-gcm` or `aes-256-cbc`. */
  algorithm: string
  /** Bytes. */
  ivLength: number
  /** Bytes. Default 16. */
  authTagLength?: number
}

/**
 * Values that typeorm-encrypted stored, with its column options, `EncryptionTransformer` or `JSONEncryptionTransformer`:
 * base64 of IV, authentication tag if the algorithm has one, and ciphertext.
 *
 * Algorithms in GCM mode prove that a value is one of theirs. Others (CBC) do not: such a format cannot stand beside
 * `acceptPlaintext`.
 *
 * @throws InvalidOptionError for options under which nothing can be opened.
 *
 * @example
 * ```ts
 * @KmsEncrypted({
 *   type: 'string',
 *   storage: 'text',
 *   acceptFormats: [typeormEncrypted({ key: process.env.KEY, algorithm: 'aes-256-gcm', ivLength: 12 })],
 * })
 * secret!: string
 * ```
 */
export function typeormEncrypted(options: TypeormEncryptedFormatOptions): ForeignFormat {
  const { algorithm, ivLength, authTagLength = 16 } = checked(options)
  const key = Buffer.from(options.key, 'hex')
  const isAuthenticated = hasTag(algorithm)
  const tagLength = isAuthenticated ? authTagLength : 0

  const open = (bytes: Buffer): Buffer => {
    const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, ivLength), {
      authTagLength,
    } as object)
    const rest = bytes.subarray(ivLength)
    if (isAuthenticated) (decipher as DecipherGCM).setAuthTag(rest.subarray(0, tagLength))
    return Buffer.concat([decipher.update(rest.subarray(tagLength)), decipher.final()])
  }
  tryOut(algorithm, key, { ivLength, tagLength }, open)

  const typeormEncrypted = (stored: Buffer): Buffer | undefined => {
    const bytes = fromBase64(textOf(stored))
    return bytes === undefined || bytes.length < ivLength + tagLength ? undefined : open(bytes)
  }
  return Object.assign(typeormEncrypted, { isAuthenticated })
}

/** `JSONEncryptionTransformer` puts the text into an object. */
function textOf(stored: Buffer): string {
  const text = stored.toString('latin1')
  return /^\s*\{\s*"encrypted"\s*:\s*"([A-Za-z0-9+/=]*)"\s*\}\s*$/.exec(text)?.[1] ?? text
}

/** `undefined` for what is not the base64 that Node writes. */
function fromBase64(text: string): Buffer | undefined {
  if (text.length === 0 || text.length % 4 !== 0) return undefined
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}

function hasTag(algorithm: string): boolean {
  return /-gcm$/i.test(algorithm)
}

function checked(options: TypeormEncryptedFormatOptions): TypeormEncryptedFormatOptions {
  const { key, algorithm, ivLength, authTagLength = 16 } = options
  if (typeof key !== 'string' || !/^(?:[0-9a-f]{2})+$/i.test(key)) throw refusal('key must be hexadecimal')
  if (typeof algorithm !== 'string') throw refusal('algorithm must be named')
  for (const [name, value] of Object.entries({ ivLength, authTagLength })) {
    if (!Number.isSafeInteger(value) || value < 0) throw refusal(`${name} must be a number of bytes`)
  }
  return options
}

function tryOut(
  algorithm: string,
  key: Buffer,
  { ivLength, tagLength }: { ivLength: number; tagLength: number },
  open: (bytes: Buffer) => Buffer,
): void {
  try {
    const iv = Buffer.alloc(ivLength)
    const options = tagLength > 0 ? { authTagLength: tagLength } : {}
    const cipher = createCipheriv(algorithm, key, iv, options as object)
    const sealed = Buffer.concat([cipher.update('x'), cipher.final()])
    const tag = tagLength > 0 ? (cipher as CipherGCM).getAuthTag() : Buffer.alloc(0)
    if (open(Buffer.concat([iv, tag, sealed])).toString() === 'x') return
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'no such algorithm'
    throw refusal(`nothing opens with this algorithm, key length and ivLength (${code})`)
  }
  throw refusal('nothing opens with this algorithm, key length and ivLength')
}

function refusal(reason: string): InvalidOptionError {
  return new InvalidOptionError(`typeormEncrypted(): ${reason}. Give what typeorm-encrypted had.`)
}
