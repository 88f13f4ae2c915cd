import { type KeyObject, timingSafeEqual } from 'node:crypto'
import { InvalidOptionError, SelfCheckError } from '../../errors'
import { type Decrypted, type KeyReference, type KeyService } from '../../kms/key-service'
import { ROOT_LENGTH } from '../suites/stored-key/seal'
import { blindIndexKey, type IndexPlace } from '.'
import { type IndexKeys } from './index-keys'

/** What the root of blind indexes is encrypted under, where it stands in the options of the application. */
export const INDEX_KEY_CONTEXT = { 'data-key': 'index' } as const

/** An index key under another KMS key. */
export interface MovedIndexKey {
  /** For the option `indexKey`. */
  indexKey: string
  /** The KMS key that it was under, and the one that it is under. */
  from: KeyReference
  to: KeyReference
}

/** The root that stands in the options as `indexKey`, encrypted. It is opened on first use and kept. */
export class IndexRoot implements IndexKeys {
  readonly #kms: KeyService
  readonly #encrypted: Buffer
  #root: Buffer | undefined
  #opening: Promise<Buffer> | undefined
  #keys = new WeakMap<IndexPlace, KeyObject>()

  /** @param indexKey base64, as `typeorm-kms keys create-index-key` prints it. */
  constructor(kms: KeyService, indexKey: string) {
    this.#kms = kms
    this.#encrypted = bytesOf(indexKey)
  }

  now(place: IndexPlace): KeyObject | undefined {
    return this.#root && this.#keyOf(this.#root, place)
  }

  /** Asks KMS once for all who wait. */
  async open(place: IndexPlace): Promise<KeyObject> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#keyOf(await this.#opening, place)
  }

  #keyOf(root: Buffer, place: IndexPlace): KeyObject {
    let key = this.#keys.get(place)
    if (!key) this.#keys.set(place, (key = blindIndexKey(root, place)))
    return key
  }

  async #open(): Promise<Buffer> {
    return (this.#root ??= (await decrypted(this.#kms, this.#encrypted)).plaintext)
  }

  /** The KMS key that it is under. Asks KMS, whether it was opened or not. */
  async kmsKey(kms = this.#kms): Promise<KeyReference> {
    const { plaintext, keyReference } = await decrypted(kms, this.#encrypted)
    plaintext.fill(0)
    return keyReference
  }

  /** The same root under another KMS key, proven to open; for the option `indexKey`. No index changes by it. */
  async movedTo(keyId: string): Promise<MovedIndexKey> {
    const before = await decrypted(this.#kms, this.#encrypted)
    try {
      const moved = Buffer.from(await this.#reEncrypted(keyId, before.plaintext))
      const after = await decrypted(this.#kms, moved)
      const isSame = timingSafeEqual(before.plaintext, after.plaintext)
      after.plaintext.fill(0)
      if (!isSame) throw new SelfCheckError('the index key that was moved is another one than it was before')
      return { indexKey: moved.toString('base64'), from: before.keyReference, to: after.keyReference }
    } finally {
      before.plaintext.fill(0)
    }
  }

  /** With a service that cannot re-encrypt, the root passes through this process. */
  async #reEncrypted(keyId: string, root: Buffer): Promise<Uint8Array> {
    const kms = this.#kms
    const moved = kms.reEncrypt
      ? await kms.reEncrypt(this.#encrypted, INDEX_KEY_CONTEXT, keyId, INDEX_KEY_CONTEXT)
      : await kms.encrypt(keyId, root, INDEX_KEY_CONTEXT)
    return moved.ciphertext
  }

  close(): void {
    this.#root?.fill(0)
    this.#root = undefined
    this.#keys = new WeakMap()
  }
}

async function decrypted(kms: KeyService, encrypted: Buffer): Promise<Decrypted> {
  const answer = await kms.decrypt(encrypted, INDEX_KEY_CONTEXT)
  if (answer.plaintext.length === ROOT_LENGTH) return answer
  answer.plaintext.fill(0)
  throw new InvalidOptionError(
    `kmsEncryption(): indexKey is not the encrypted form of ${ROOT_LENGTH} bytes. Make one with typeorm-kms keys create-index-key.`,
  )
}

function bytesOf(indexKey: unknown): Buffer {
  const bytes = typeof indexKey === 'string' ? Buffer.from(indexKey, 'base64') : undefined
  if (bytes && bytes.length >= ROOT_LENGTH && bytes.toString('base64') === indexKey) return bytes
  throw new InvalidOptionError(
    'kmsEncryption(): indexKey must be the base64 text that typeorm-kms keys create-index-key prints',
  )
}
