import { type Application } from '../application'
import { User } from '../entities/user'
import { type Step } from '../stage'
import { Statements } from '../statements'

export const newKey: Step = {
  title: 'Emmy gets a new key pair',

  async play({ narrator, application }) {
    const { users, encryption } = application
    const before = await privateKeysIn(application)
    const statements = Statements.of(application.dataSource)

    await users.renewKey('emmy@example.org')
    const changes = statements.takeChanges()
    for (const sql of changes) narrator.quote(sql)
    narrator.proves('One UPDATE was sent, for her row.', changes.length, 1)
    narrator.proves(
      'It sets her two keys, and leaves the encrypted recovery codes alone.',
      ['publicKey', 'privateKey', 'recovery'].map((name) => changes[0]?.includes(name)),
      [true, true, false],
    )
    const after = await privateKeysIn(application)
    narrator.proves(
      'The private keys of the others are, byte for byte, what they were.',
      after.map((ciphertext, index) => ciphertext.equals(before[index]!)),
      [true, false, true],
    )

    const { kmsCalls, values } = encryption.metrics()
    await users.saveUnchanged('emmy@example.org')
    narrator.proves('Saved unchanged, she causes no UPDATE.', statements.takeChanges(), [])
    narrator.proves(
      'Saved unchanged, she causes no encryption and no call to KMS.',
      [encryption.metrics().values.encrypted, encryption.metrics().kmsCalls],
      [values.encrypted, kmsCalls],
    )
  },
}

async function privateKeysIn(application: Application): Promise<Buffer[]> {
  return (await application.storedRows(User)).map((row) => row['privateKey'] as Buffer)
}
