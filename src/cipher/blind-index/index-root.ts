import { InvalidOptionError } from '../../errors'
import { type KeyService } from '../../kms/key-service'
import { ROOT_LENGTH } from '../suites/stored-key/seal'

/** What the root of blind indexes is encrypted under, where it stands in the options of the application. */
export const INDEX_KEY_CONTEXT = { 'data-key': 'index' } as const

/** Where the root of the blind indexes comes from. */
export interface IndexRootSource {
  /** Opened already, if it is. */
  readonly now: Buffer | undefined
  /** Asks KMS, once for all who wait; throws a `KmsEncryptionError`, and asks again the next time. */
  open(): Promise<Buffer>
}

/** The root that stands in the options as `indexKey`, encrypted. It is opened on first use and kept. */
export class IndexRoot implements IndexRootSource {
  readonly #kms: KeyService
  readonly #encrypted: Buffer
  #root: Buffer | undefined
  #opening: Promise<Buffer> | undefined

  /** @param indexKey base64, as `typeorm-kms keys create-index-key` prints it. */
  constructor(kms: KeyService, indexKey: string) {
    this.#kms = kms
    this.#encrypted = bytesOf(indexKey)
  }

  get now(): Buffer | undefined {
    return this.#root
  }

  open(): Promise<Buffer> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #open(): Promise<Buffer> {
    if (this.#root) return this.#root
    const { plaintext } = await this.#kms.decrypt(this.#encrypted, INDEX_KEY_CONTEXT)
    if (plaintext.length !== ROOT_LENGTH) {
      plaintext.fill(0)
      throw new InvalidOptionError(
        `kmsEncryption(): indexKey is not the encrypted form of ${ROOT_LENGTH} bytes. Make one with typeorm-kms keys create-index-key.`,
      )
    }
    return (this.#root = plaintext)
  }

  close(): void {
    this.#root?.fill(0)
    this.#root = undefined
  }
}

function bytesOf(indexKey: unknown): Buffer {
  const bytes = typeof indexKey === 'string' ? Buffer.from(indexKey, 'base64') : undefined
  if (bytes && bytes.length >= ROOT_LENGTH && bytes.toString('base64') === indexKey) return bytes
  throw new InvalidOptionError(
    'kmsEncryption(): indexKey must be the base64 text that typeorm-kms keys create-index-key prints',
  )
}
