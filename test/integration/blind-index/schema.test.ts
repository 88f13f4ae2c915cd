import { EntitySchema } from 'typeorm'
import { kmsEncryptedColumn } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

interface Visitor {
  id: number
  email: string
  pass: { code: string }
}

const Pass = new EntitySchema<Visitor['pass']>({
  name: 'Pass',
  columns: { code: kmsEncryptedColumn({ type: 'string', search: true, name: 'pass_code' }) },
})

const VisitorSchema = new EntitySchema<Visitor>({
  name: 'Visitor',
  columns: {
    id: { type: Number, primary: true, generated: true },
    email: kmsEncryptedColumn({ type: 'string', search: true, unique: true }),
  },
  embeddeds: { pass: { schema: Pass, prefix: false } },
})

describeDatabases('The columns of an EntitySchema are searched', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [VisitorSchema], withIndexKey)
  })
  afterAll(() => app.stop())

  test('as those of classes are', async () => {
    const visitors = app.dataSource.getRepository(VisitorSchema)
    await visitors.save({ email: 'a', pass: { code: '1' } })
    await visitors.save({ email: 'b', pass: { code: '2' } })
    expect(await visitors.findOneBy({ email: 'b' })).toMatchObject({ pass: { code: '2' } })
    expect(await visitors.findBy({ pass: { code: '1' } })).toMatchObject([{ email: 'a' }])
    await expect(visitors.insert({ email: 'a', pass: { code: '3' } })).rejects.toThrow('Visitor.email')
    const [row] = await db().rawQuery('SELECT pass_code_index FROM visitor')
    expect(row).toBeDefined()
  })
})
