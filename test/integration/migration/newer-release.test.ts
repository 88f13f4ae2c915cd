import { randomBytes } from 'node:crypto'
import { Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { encryptColumns, rotateColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Document {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ type: 'buffer', acceptPlaintext: true }) content!: Buffer
}

/** Suite 4 names a data key that is nowhere; what the others have is not known. */
const SUITES = [4, 5, 64, 127]
const codeOf = (suite: number): string => (suite === 4 ? 'DATA_KEY_MISSING' : 'CIPHERTEXT_NEWER')

describeDatabases('A value that a newer release wrote', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Document])
    await app.dataSource.getRepository(Document).insert({ content: Buffer.from('x') })
  })
  beforeEach(() => {
    app.kms.calls.reset()
  })
  afterAll(() => app.stop())

  it.each(SUITES)('of suite %d is neither read as plaintext nor changed by any pass', async (suite) => {
    const q = (name: string): string => db().quote(name)
    const bytes = Buffer.concat([Buffer.from([0xc1, 1, suite]), randomBytes(80)])
    await db().rawQuery(`UPDATE ${q('document')} SET ${q('content')} = ?`, [bytes])
    const { dataSource } = app
    expect(await failure(dataSource.getRepository(Document).find())).toMatchObject({
      code: codeOf(suite),
      entity: 'Document',
      property: 'content',
    })
    for (const pass of [encryptColumns, rotateColumns]) {
      expect(await failure(pass(dataSource, Document, ['content']))).toMatchObject({
        code: codeOf(suite),
      })
    }
    const [verified] = await verifyColumns(dataSource, Document, ['content'])
    expect(verified).toMatchObject({ failed: 1 })
    const [row] = await db().rawQuery(`SELECT ${q('content')} AS v FROM ${q('document')}`)
    expect(row?.['v']).toEqual(bytes)
    expect(app.kms.calls.map(({ operation }) => operation)).not.toContain('Decrypt')
  })

  it.each(SUITES)(
    'of suite %d, if it was plaintext after all, is stored anew through the entity',
    async (suite) => {
      const documents = app.dataSource.getRepository(Document)
      const content = Buffer.concat([Buffer.from([0xc1, 1, suite]), randomBytes(80)])
      const q = (name: string): string => db().quote(name)
      await db().rawQuery(`UPDATE ${q('document')} SET ${q('content')} = ?`, [content])
      expect(await failure(documents.find())).toMatchObject({ code: codeOf(suite) })
      const [row] = await db().rawQuery(`SELECT ${q('id')} AS id FROM ${q('document')}`)
      await documents.update(Number(row?.['id']), { content })
      expect(await documents.find()).toMatchObject([{ content }])
      expect(await verifyColumns(app.dataSource, Document, ['content'])).toMatchObject([{ failed: 0 }])
    },
  )
})
