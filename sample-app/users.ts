import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { type Repository } from 'typeorm'
import { type Recovery, type User } from './entities/user'

export type NewUser = Omit<User, 'id'>

/** The application's service for users. Nothing in it knows of encryption. */
export class Users {
  constructor(readonly repository: Repository<User>) {}

  register(email: string, displayName: string, recovery: Recovery | null): Promise<User> {
    return this.repository.save({ email, displayName, recovery, ...newKeyPair() })
  }

  find(email: string): Promise<User> {
    return this.repository.findOneByOrFail({ email })
  }

  /** Signs with the private key in the user's row. */
  async sign(email: string, message: Buffer): Promise<Buffer> {
    const { privateKey } = await this.find(email)
    return sign(null, message, privateKey)
  }

  async renewKey(email: string): Promise<void> {
    const user = await this.find(email)
    await this.repository.save(Object.assign(user, newKeyPair()))
  }

  async saveUnchanged(email: string): Promise<void> {
    await this.repository.save(await this.find(email))
  }
}

/** An Ed25519 key pair in PEM. */
export function newKeyPair(): Pick<User, 'publicKey' | 'privateKey'> {
  return generateKeyPairSync('ed25519', {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
}

export function newRecovery(): Recovery {
  return { codes: Array.from({ length: 2 }, () => randomBytes(4).toString('hex')) }
}
