import { InvalidOptionError } from '../../errors'
import { type KeyService } from '../../kms/key-service'
import { ROOT_LENGTH } from '../suites/stored-key/seal'
import { blindIndexKey, type IndexPlace } from '.'
import { type IndexKeys } from './index-keys'

/** What the root of blind indexes is encrypted under, where it stands in the options of the application. */
export const INDEX_KEY_CONTEXT = { 'data-key': 'index' } as const

/** The root that stands in the options as `indexKey`, encrypted. It is opened on first use and kept. */
export class IndexRoot implements IndexKeys {
  readonly #kms: KeyService
  readonly #encrypted: Buffer
  #root: Buffer | undefined
  #opening: Promise<Buffer> | undefined
  #keys = new WeakMap<IndexPlace, Buffer>()

  /** @param indexKey base64, as `typeorm-kms keys create-index-key` prints it. */
  constructor(kms: KeyService, indexKey: string) {
    this.#kms = kms
    this.#encrypted = bytesOf(indexKey)
  }

  now(place: IndexPlace): Buffer | undefined {
    return this.#root && this.#keyOf(this.#root, place)
  }

  /** Asks KMS once for all who wait. */
  async open(place: IndexPlace): Promise<Buffer> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#keyOf(await this.#opening, place)
  }

  #keyOf(root: Buffer, place: IndexPlace): Buffer {
    let key = this.#keys.get(place)
    if (!key) this.#keys.set(place, (key = blindIndexKey(root, place)))
    return key
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
    this.#keys = new WeakMap()
  }
}

function bytesOf(indexKey: unknown): Buffer {
  const bytes = typeof indexKey === 'string' ? Buffer.from(indexKey, 'base64') : undefined
  if (bytes && bytes.length >= ROOT_LENGTH && bytes.toString('base64') === indexKey) return bytes
  throw new InvalidOptionError(
    'kmsEncryption(): indexKey must be the base64 text that typeorm-kms keys create-index-key prints',
  )
}
