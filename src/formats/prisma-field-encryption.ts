import { createDecipheriv, createHash } from 'node:crypto'
import { type ForeignFormat } from '../column/foreign-format'
import { InvalidOptionError } from '../errors'

/** Options of `prismaFieldEncryption()`. */
export interface PrismaFieldEncryptionFormatOptions {
  /** The encryption key and all decryption keys, as they are configured there: `k1.aesgcm256.…`. */
  keys: readonly string[]
}

const KEY = /^k1\.aesgcm256\.([\w-]{43}=?)$/
/** Version, algorithm, fingerprint of the key, IV and ciphertext with its tag. */
const MESSAGE = /^v1\.aesgcm256\.([0-9a-f]{8})\.([\w-]{16})\.([\w-]{22,}={0,2})$/i
const TAG_LENGTH = 16

/**
 * Values that prisma-field-encryption (`@47ng/cloak`) stored: `v1.aesgcm256.…`. The value itself tells its key.
 *
 * @throws InvalidOptionError for a key that is not one of theirs.
 *
 * @example `acceptFormats: [prismaFieldEncryption({ keys: [process.env.PRISMA_FIELD_ENCRYPTION_KEY] })]`
 */
export function prismaFieldEncryption({ keys }: PrismaFieldEncryptionFormatOptions): ForeignFormat {
  if (!Array.isArray(keys) || keys.length === 0) throw refusal('keys must be a list of keys')
  const known = new Map(keys.map((key: unknown) => [fingerprintOf(key), bytesOf(key)]))

  return function prismaFieldEncryption(stored: Buffer): Buffer | undefined {
    const [, fingerprint = '', iv = '', sealed = ''] = MESSAGE.exec(stored.toString('latin1')) ?? []
    if (fingerprint === '') return undefined
    const key = known.get(fingerprint.toLowerCase())
    if (!key) throw Object.assign(new Error('no such key'), { code: 'NO_SUCH_KEY' })
    const bytes = Buffer.from(sealed, 'base64url')
    const end = bytes.length - TAG_LENGTH
    const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64url'), {
      authTagLength: TAG_LENGTH,
    }).setAuthTag(bytes.subarray(end))
    return Buffer.concat([decipher.update(bytes.subarray(0, end)), decipher.final()])
  }
}

function bytesOf(key: unknown): Buffer {
  const [, base64 = ''] = (typeof key === 'string' && KEY.exec(key)) || []
  if (base64 === '') throw refusal('a key is not of the form k1.aesgcm256.…')
  return Buffer.from(base64, 'base64url')
}

/** The first eight digits of the hash of the key's text. */
function fingerprintOf(key: unknown): string {
  return createHash('sha256').update(String(key)).digest('hex').slice(0, 8)
}

function refusal(reason: string): InvalidOptionError {
  return new InvalidOptionError(`prismaFieldEncryption(): ${reason}. Give those of then.`)
}
