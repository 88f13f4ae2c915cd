import { type KeyObject } from 'node:crypto'
import { DecryptCommand, InvalidCiphertextException } from '@aws-sdk/client-kms'
import { Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { storedKeyId } from '../../../src/cipher/suites/stored-key/seal'
import { boundColumns } from '../../../src/orm/bound-columns'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Note {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() text!: string
}

const PLACE = { table: 'note', column: 'text', index: 'text_index' }

describeDatabases('The key of a blind index', (db) => {
  let app: TestApplication

  beforeEach(async () => {
    app = await startApplication(db(), [Note], { dataKeys: { maxAge: 1 } })
  })
  afterEach(() => app.stop())

  const keyOf = ({ dataSource }: Pick<TestApplication, 'dataSource'>): Promise<KeyObject> => {
    const [column] = boundColumns(dataSource.getMetadata(Note))
    return column!.cipher.indexKey(column!.recipe.keyId, column!.recipe.scope, PLACE)
  }

  test('is the same for all processes that make it at the same time, and for later ones', async () => {
    const others = await Promise.all(Array.from({ length: 4 }, () => app.restart()))
    const keys = await Promise.all(others.map(keyOf))
    keys.push(await keyOf(await app.restart({ dataKeys: 'stored' })))
    expect(new Set(keys.map((key) => key.export().toString('hex'))).size).toBe(1)
    expect(await db().rawQuery("SELECT id FROM kms_data_key WHERE purpose = 'index'")).toHaveLength(1)
  })

  test('is at hand from then on', async () => {
    const key = await keyOf(app)
    const [column] = boundColumns(app.dataSource.getMetadata(Note))
    expect(column!.cipher.indexKeyNow(column!.recipe.keyId, column!.recipe.scope, PLACE)?.equals(key)).toBe(
      true,
    )
  })

  test('is derived from a data key that KMS opens for blind indexes only', async () => {
    await keyOf(app)
    const [row] = await db().rawQuery("SELECT * FROM kms_data_key WHERE purpose = 'index'")
    const decrypt = (purpose: string): Promise<unknown> =>
      app.client.send(
        new DecryptCommand({
          CiphertextBlob: row!['encrypted_data_key'] as Buffer,
          EncryptionContext: { table: 'note', 'data-key': purpose },
        }),
      )
    await expect(decrypt('index')).resolves.toMatchObject({ Plaintext: expect.anything() as unknown })
    await expect(decrypt('value')).rejects.toThrow(InvalidCiphertextException)
    expect(row!['id']).toEqual(storedKeyId(((await decrypt('index')) as { Plaintext: Uint8Array }).Plaintext))
  })

  test('is not another one where it is under another KMS key', async () => {
    await keyOf(app)
    await expect(keyOf(await app.restart({ keyId: await app.createKey() }))).rejects.toMatchObject({
      code: 'DATA_KEY_FORGED',
    })
  })
})
