import { EncryptCommand } from '@aws-sdk/client-kms'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { KEY, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Pin {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', mode: 'direct', storage: 'text', acceptPlaintext: true }) text!: string
  @KmsEncrypted({ type: 'string', mode: 'direct', acceptPlaintext: true }) binary!: string
}

/** Texts that begin nearly as a blob of KMS does in base64, or are too short for one. */
const PLAINTEXTS = [
  'AQ',
  'AQICAHhx',
  `AQICAHk${'x'.repeat(200)}`,
  `A~~~AHh${'x'.repeat(200)}`,
  'A'.repeat(200),
]

describeDatabases('the status of a column', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Pin])
  })
  afterAll(() => app.stop())

  it('tells blobs of another program from plaintext and from ciphertext, as bytes and as base64', async () => {
    const { client, dataSource } = app
    const pins = dataSource.getRepository(Pin)
    await pins.insert({ id: 0, text: 'own', binary: 'own' })
    const insert = (id: number, text: string, binary: Buffer) =>
      db().rawQuery(`INSERT INTO pin VALUES (?, ?, ?)`, [id, text, binary])
    for (const [index, length] of [1, 16, 4096].entries()) {
      const Plaintext = Buffer.alloc(length, 'x')
      const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId: KEY, Plaintext }))
      const blob = Buffer.from(CiphertextBlob!)
      await insert(index + 1, blob.toString('base64'), blob)
    }
    for (const [index, text] of PLAINTEXTS.entries()) await insert(index + 10, text, Buffer.from(text))

    for (const property of ['text', 'binary']) {
      expect(await columnStatus(dataSource, Pin, property)).toMatchObject({
        rows: 4 + PLAINTEXTS.length,
        plaintext: PLAINTEXTS.length,
        bare: 3,
        unknown: 0,
        otherStorage: 0,
        ciphertext: [{ rows: 1, mode: 'direct' }],
      })
    }
    expect(await verifyColumns(dataSource, Pin, ['text', 'binary'])).toMatchObject([
      { failed: 0 },
      { failed: 0 },
    ])
    expect((await pins.findOneByOrFail({ id: 3 })).text).toBe('x'.repeat(4096))
  })
})
