import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { type ValueTransformer } from 'typeorm'

/**
 * The limit: AES-256-GCM by Node's own crypto, as a careful programmer writes it. Text in, one Buffer of IV,
 * ciphertext and tag out, and back to text; a fresh IV of `randomBytes(12)` and AAD of the same length as the
 * library's for every value.
 */
export class NodeCrypto {
  readonly #key = randomBytes(32)
  readonly #aad: Buffer

  constructor(aadLength: number) {
    this.#aad = randomBytes(aadLength)
  }

  seal(text: string): Buffer {
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv).setAAD(this.#aad)
    const body = cipher.update(text, 'utf8')
    cipher.final()
    return Buffer.concat([iv, body, cipher.getAuthTag()])
  }

  open(bytes: Buffer): string {
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, 12), { authTagLength: 16 })
      .setAAD(this.#aad)
      .setAuthTag(bytes.subarray(-16))
    const body = decipher.update(bytes.subarray(12, -16))
    decipher.final()
    return body.toString('utf8')
  }
}

const bare = new NodeCrypto(30)

/** The limit as a transformer of TypeORM. */
export const bareTransformer: ValueTransformer = {
  to: (text: string) => bare.seal(text),
  from: (bytes: Buffer) => bare.open(bytes),
}
