import { createPublicKey } from 'node:crypto'
import { type User } from '../entities/user'
import { type Step } from '../stage'
import { newRecovery } from '../users'

export const register: Step = {
  title: 'Users register',

  async play(stage) {
    const { narrator, application } = stage
    const { users, encryption } = application
    narrator.say('The private key is a property like the others, with a decorator of its own:')
    narrator.quote('@KmsEncrypted()\nprivateKey!: string')

    const registered = [
      await users.register('ada@example.org', 'Ada Lovelace', newRecovery()),
      await users.register('emmy@example.org', 'Emmy Noether', newRecovery()),
      await users.register('grace@example.org', 'Grace Hopper', null),
    ]
    narrator.table(
      registered.map((user) => [String(user.id), user.displayName, bodyOf(user.publicKey)]),
      ['id', 'user', 'public key, stored in clear'],
    )

    narrator.proves(
      'The saved entities hold plaintext: each private key belongs to its public key.',
      registered.every(keysMatch),
    )
    narrator.proves(
      'Five values were encrypted, for one call to KMS (GenerateDataKey).',
      [encryption.metrics().values.encrypted, stage.kmsCalls()],
      [5, { GenerateDataKey: 1, Encrypt: 0, Decrypt: 0 }],
    )
  },
}

function keysMatch({ publicKey, privateKey }: User): boolean {
  return createPublicKey(privateKey).equals(createPublicKey(publicKey))
}

function bodyOf(pem: string): string {
  return pem.split('\n')[1] ?? ''
}
