import { Column, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { rotateColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

@Entity()
class Owner {
  @PrimaryColumn('integer') id!: number
  @Column({ default: '' }) note!: string
  @KmsEncrypted({ search: true }) email!: string
}

describeDatabases('The key of blind indexes', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Owner], { dataKeys: 'stored' })
  })
  beforeEach(() => app.dataSource.getRepository(Owner).clear())
  afterAll(() => app.stop())

  const indexes = async () =>
    (await db().rawQuery('SELECT email_index FROM owner ORDER BY id')).map((row) =>
      String(row['email_index']),
    )
  const roots = () => db().rawQuery("SELECT id FROM kms_data_key WHERE purpose = 'index'")

  test('stands in the key table, is made once, and opened by one call for each process', async () => {
    await app.dataSource.getRepository(Owner).insert({ id: 1, email: 'a@x' })
    const [one, two] = [await app.restart(), await app.restart()]
    await Promise.all([
      one.dataSource.getRepository(Owner).insert({ id: 2, email: 'a@x' }),
      two.dataSource.getRepository(Owner).insert({ id: 3, email: 'a@x' }),
    ])
    expect(new Set(await indexes()).size).toBe(1)
    expect(await roots()).toHaveLength(1)
    const { dataSource } = await app.restart()
    await dataSource.getRepository(Owner).countBy({ email: 'a@x' })
    app.kms.calls.reset()
    for (let times = 0; times < 3; times++)
      expect(await dataSource.getRepository(Owner).countBy({ email: 'a@x' })).toBe(3)
    expect(app.kms.calls.count()).toBe(0)
  })

  test('moves to another KMS key with the values, and changes no index', async () => {
    await app.dataSource.getRepository(Owner).insert({ id: 1, email: 'a@x' })
    const before = await indexes()
    const to = await app.createKey()
    await rotateColumns(app.dataSource, Owner, ['email'], { to })
    const { dataSource } = await app.restart({ keyId: to })
    const owners = dataSource.getRepository(Owner)
    expect(await owners.findBy({ email: 'a@x' })).toMatchObject([{ id: 1 }])
    await owners.insert({ id: 2, email: 'a@x' })
    expect(await indexes()).toEqual([...before, ...before])
    await rotateColumns(dataSource, Owner, ['email'], { to: 'alias/test' })
  })

  test.each<[string, string]>([
    ['was lost', "DELETE FROM kms_data_key WHERE purpose = 'index'"],
    [
      'was destroyed',
      "UPDATE kms_data_key SET destroyed_at = 1, encrypted_data_key = NULL WHERE purpose = 'index'",
    ],
  ])('that %s is an error, and not an empty result', async (_, sql) => {
    await app.dataSource.getRepository(Owner).insert({ id: 1, email: 'a@x' })
    await db().rawQuery(sql)
    const { dataSource } = await app.restart()
    expect(await failure(dataSource.getRepository(Owner).findBy({ email: 'a@x' }))).toMatchObject({
      code: 'INDEX_WRONG',
      property: 'email',
    })
    await dataSource.getRepository(Owner).clear()
    // The process of before has the old one in memory.
    await app.dataSource.destroy()
    await app.dataSource.initialize()
  })

  test('of the options goes before that of the key table, so that stored data keys change no index', async () => {
    const { indexKey } = await withIndexKey(app)
    const inline = await app.restart({ dataKeys: 'inline', indexKey })
    await inline.dataSource.getRepository(Owner).insert({ id: 1, email: 'a@x' })
    const stored = await app.restart({ dataKeys: 'stored', indexKey })
    const owners = stored.dataSource.getRepository(Owner)
    expect(await owners.findBy({ email: 'a@x' })).toMatchObject([{ id: 1 }])
    await owners.insert({ id: 2, email: 'a@x' })
    expect(new Set(await indexes()).size).toBe(1)
    expect(await verifyColumns(stored.dataSource, Owner, ['email'])).toMatchObject([{ failed: 0, rows: 2 }])
  })
})
