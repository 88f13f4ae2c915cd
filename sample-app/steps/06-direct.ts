import { randomBytes } from 'node:crypto'
import { DecryptCommand } from '@aws-sdk/client-kms'
import { HEADER_LENGTH } from '../ciphertext'
import { ApiSecret } from '../entities/api-secret'
import { client } from '../kms'
import { hex } from '../layout'
import { type Stage, type Step } from '../stage'
import { Statements } from '../statements'

export const direct: Step = {
  title: "Direct mode: KMS's own Encrypt and Decrypt",

  async play(stage) {
    const { narrator, application } = stage
    narrator.say('For up to 4096 bytes. No key enters the process, and CloudTrail records each reading.')
    narrator.quote("@KmsEncrypted({ mode: 'direct' })\nsecret!: Buffer")

    const secret = randomBytes(4096)
    const before = stage.kmsCalls()
    await application.apiSecrets.save({ name: 'payment provider', secret })
    const [loaded] = await application.apiSecrets.find()
    narrator.proves('4096 bytes are saved and loaded.', loaded && secret.equals(loaded.secret))
    narrator.proves('That took one Encrypt and one Decrypt.', stage.kmsCalls(), {
      ...before,
      Encrypt: before.Encrypt + 1,
      Decrypt: before.Decrypt + 1,
    })
    await decryptWithoutLibrary(stage, secret)
    await saveTooMuch(stage)
  },
}

/** As `aws kms decrypt` would: any program that may use the key can read the value. */
async function decryptWithoutLibrary(stage: Stage, secret: Buffer): Promise<void> {
  const { narrator, application, keyArn } = stage
  const [row] = await application.storedRows(ApiSecret)
  const stored = row!['secret'] as Buffer
  const blob = stored.subarray(HEADER_LENGTH)
  narrator.table([
    [hex(stored.subarray(0, HEADER_LENGTH)), 'magic, version, suite 2 (direct), key tag'],
    [hex(blob, 7), `the CiphertextBlob of KMS, ${blob.length} bytes`],
  ])

  const { tableName: table } = application.dataSource.getMetadata(ApiSecret)
  const { Plaintext, KeyId } = await client.send(
    new DecryptCommand({ CiphertextBlob: blob, EncryptionContext: { table, column: 'secret' } }),
  )
  narrator.proves(
    'KMS decrypts the blob without the library, too.',
    secret.equals(Plaintext ?? Buffer.alloc(0)),
  )
  narrator.proves('No key was named: KMS recognised it.', KeyId, keyArn)
}

async function saveTooMuch(stage: Stage): Promise<void> {
  const { narrator, application } = stage
  const statements = Statements.of(application.dataSource)
  const before = stage.kmsCalls()
  await narrator.provesError('4097 bytes are refused', 'VALUE_TOO_LARGE', () =>
    application.apiSecrets.save({ name: 'too much', secret: randomBytes(4097) }),
  )
  narrator.proves('KMS was not called for them.', stage.kmsCalls(), before)
  narrator.proves('No INSERT was sent for them.', statements.takeChanges(), [])
}
