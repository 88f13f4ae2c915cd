import 'reflect-metadata'
import { ChildEntity, Entity, EntitySchema, PrimaryGeneratedColumn, TableInheritance } from 'typeorm'
import { KmsEncrypted, kmsEncryptedColumn } from 'typeorm-kms-encrypted'
import { type DatabaseName, describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

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

@Entity()
@TableInheritance({ column: { type: 'varchar', name: 'kind' } })
class Person {
  @PrimaryGeneratedColumn() id!: number
}

@ChildEntity()
class Guest extends Person {
  @KmsEncrypted({ type: 'string', nullable: true, search: true, unique: true }) email!: string | null
}

@ChildEntity()
class Host extends Person {
  @KmsEncrypted({ type: 'string', nullable: true, search: true, unique: true }) email!: string | null
}

describeDatabases('Classes of one table that declare the same searched property', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Person, Guest, Host], withIndexKey)
  })
  afterAll(() => app.stop())

  test('share its index', async () => {
    const { dataSource } = app
    const guests = dataSource.getRepository(Guest)
    const hosts = dataSource.getRepository(Host)
    await guests.save({ email: 'a' })
    await hosts.save({ email: 'b' })
    expect(await guests.findBy({ email: 'a' })).toMatchObject([{ email: 'a' }])
    expect(await guests.findBy({ email: 'b' })).toEqual([])
    expect(await hosts.findBy({ email: 'b' })).toMatchObject([{ email: 'b' }])
    await expect(hosts.insert({ email: 'a' })).rejects.toThrow('.email: another row')
    const { upQueries } = await dataSource.driver.createSchemaBuilder().log()
    // On MySQL TypeORM finds a change in every column of a child, encrypted or not.
    expect(upQueries.filter(({ query }) => / INDEX /.test(query))).toEqual([])
  })
})

function searched(name: string): new () => object {
  class Longest {}
  PrimaryGeneratedColumn()(Longest.prototype, 'id')
  KmsEncrypted({ type: 'string', search: true, name })(Longest.prototype, 'email')
  Entity('longest')(Longest)
  return Longest
}

describeDatabases('The column of an index with a long name', (db) => {
  /** With `_index` behind it. MySQL counts characters, up to 64, and PostgreSQL bytes, up to 63. */
  test.each<[string, string, DatabaseName[]]>([
    ['63 letters', 'x'.repeat(57), []],
    ['64 letters', 'x'.repeat(58), ['postgres']],
    ['65 letters', 'x'.repeat(59), ['mariadb', 'postgres']],
    ['63 letters of 64 bytes', `é${'x'.repeat(56)}`, ['postgres']],
  ])('of %s is made, or refused where there is no such name', async (_, name, refusing) => {
    const starting = startApplication(db(), [searched(name)], withIndexKey)
    if (refusing.includes(db().name)) {
      expect(await failure(starting)).toMatchObject({
        code: 'INVALID_OPTION',
        entity: 'Longest',
        property: 'email',
        message: expect.stringContaining('shorter name') as string,
      })
      return
    }
    const app = await starting
    await app.dataSource.synchronize()
    const longest = app.dataSource.getRepository('Longest')
    await longest.insert({ email: 'a' })
    expect(await longest.findBy({ email: 'a' })).toHaveLength(1)
    await app.stop()
  })
})
