import { randomBytes } from 'node:crypto'

/** Why a generation of key material came to be; absent for the first one. */
export type RotationType = 'AUTOMATIC' | 'ON_DEMAND'

/** One generation of a key's material, as the key file holds it. */
export interface KeyMaterialRecord {
  id: string
  secret: string
  since: number
  rotation?: RotationType
}

const SECRET_LENGTH = 32

/**
 * One generation of the 256-bit secret behind a KMS key. Its secret is private state: `util.inspect` and
 * `JSON.stringify` show the id and the dates only.
 */
export class KeyMaterial {
  /** 64 hexadecimal digits, random: AWS's `KeyMaterialId`. */
  readonly id: string
  /** Since when it encrypts, in milliseconds since 1970. */
  readonly since: number
  readonly rotation: RotationType | undefined
  readonly #secret: Buffer

  constructor(record: KeyMaterialRecord) {
    this.id = record.id
    this.since = record.since
    this.rotation = record.rotation
    this.#secret = Buffer.from(record.secret, 'base64')
    if (this.#secret.length !== SECRET_LENGTH) throw new Error(`Key material ${record.id} is damaged.`)
  }

  static generate(since: number, rotation?: RotationType): KeyMaterial {
    const record = {
      id: randomBytes(32).toString('hex'),
      secret: randomBytes(SECRET_LENGTH).toString('base64'),
      since,
    }
    return new KeyMaterial(rotation === undefined ? record : { ...record, rotation })
  }

  /** Lends the secret to `use`, and only there. */
  withSecret<T>(use: (secret: Buffer) => T): T {
    return use(this.#secret)
  }

  /** The form for the key file, which holds the secret in clear. */
  toRecord(): KeyMaterialRecord {
    const record = { id: this.id, secret: this.#secret.toString('base64'), since: this.since }
    return this.rotation === undefined ? record : { ...record, rotation: this.rotation }
  }

  /** Zero-fills the secret of a deleted key. */
  destroy(): void {
    this.#secret.fill(0)
  }
}
