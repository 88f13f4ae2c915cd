import 'reflect-metadata'
import { Column, type DataSource, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted, undecryptable } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

const EXACT = { type: 'varchar', length: 40 } as const

@Entity()
class Coupon {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column({ type: 'int', unique: true }) code!: number
  @Column({ type: 'int' }) tenantId!: number
  @KmsEncrypted({ boundTo: { row: ['id'] } }) secret!: string
  @KmsEncrypted({ boundTo: { row: ['id', 'tenantId'] }, nullable: true, type: 'string' }) both!: string | null
}

@Entity()
class Token {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column({ type: 'int', unique: true }) code!: number
  @KmsEncrypted({ boundTo: { row: ['id'] } }) secret!: string
}

@Entity()
class Made {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'int' }) number!: number
  @KmsEncrypted({ boundTo: { row: ['id'] } }) secret!: string
}

/** Bound to a text. */
@Entity()
class Named {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column(EXACT) name!: string
  @KmsEncrypted({ boundTo: { row: ['name'] } }) secret!: string
}

const coupon = (id: number, more: Partial<Coupon> = {}) => ({
  id,
  code: id,
  tenantId: 1,
  secret: `secret ${id}`,
  both: 'both',
  ...more,
})

describeDatabases('Corners of values that are bound to their row', (db) => {
  let app: TestApplication
  let dataSource: DataSource
  const coupons = (source = dataSource) => source.getRepository(Coupon)

  beforeAll(async () => {
    app = await startApplication(db(), [Coupon, Token], {}, { cache: true })
    dataSource = app.dataSource
  })
  beforeEach(() => coupons().clear())
  afterAll(() => app.stop())

  it('an upsert by the key, where another unique key could find a row as well', async () => {
    const tokens = dataSource.getRepository(Token)
    await tokens.insert({ id: 1, code: 1, secret: 'of one' })
    const error = await failure(tokens.upsert({ id: 2, code: 1, secret: 'of two' }, ['id']))
    if (db().name === 'mariadb') expect(error).toMatchObject({ code: 'ROW_UNKNOWN', property: 'secret' })
    else expect(error.name).toBe('QueryFailedError')
    expect(await tokens.find()).toMatchObject([{ id: 1, secret: 'of one' }])
  })

  it('a cached result without what its values are bound to', async () => {
    await coupons().insert(coupon(1))
    const read = () =>
      coupons().find({ select: { id: true, both: true }, cache: { id: 'corner', milliseconds: 60_000 } })
    expect(await read()).toMatchObject([{ both: 'both' }])
    expect(await failure(read())).toMatchObject({ code: 'ROW_UNKNOWN', property: 'both' })
    await dataSource.queryResultCache?.remove(['corner'])
  })

  it('an update by a key with a sign in front of its parameter', async () => {
    await coupons().insert([coupon(5), coupon(-5)])
    // PostgreSQL asks for a type, and the other two take a text for a number.
    const where = db().name === 'postgres' ? 'id = -(:n)::int' : 'id = -:n'
    const query = dataSource.createQueryBuilder().update(Coupon).set({ secret: 'changed' })
    await query.where(where, { n: '5' }).execute()
    const found = await coupons().find({ order: { id: 'ASC' } })
    expect(found.map(({ secret }) => secret)).toEqual(['changed', 'secret 5'])
  })

  it('an update whose row others change in between: done again for what it has then', async () => {
    await coupons().insert(coupon(1))
    let changes = 0
    const { dataSource: watched } = await app.restart(
      {},
      {
        logging: true,
        logger: {
          logQuery(query: string) {
            // On SQLite the change is made before this returns.
            if (db().name !== 'sqlite' || !query.startsWith('UPDATE') || changes++ > 0) return
            void db().rawQuery('UPDATE coupon SET "tenantId" = 7 WHERE id = 1')
          },
          logQueryError: () => undefined,
          logQuerySlow: () => undefined,
          logSchemaBuild: () => undefined,
          logMigration: () => undefined,
          log: () => undefined,
        },
      },
    )
    await coupons(watched).update({ code: 1 }, { secret: 'again', both: 'again' })
    if (db().name === 'sqlite') expect(changes).toBe(2)
    expect(await coupons().find()).toMatchObject([
      { tenantId: db().name === 'sqlite' ? 7 : 1, secret: 'again', both: 'again' },
    ])
  })
})

describeDatabases(
  'A bound text',
  (db) => {
    let app: TestApplication
    beforeAll(async () => {
      app = await startApplication(db(), [Named], { onUndecryptable: 'marker' })
    })
    afterAll(() => app.stop())

    it.each(['ABC', 'abc ', 'abc\u0301', 'ab', ''])(
      'that is set to another spelling (%j) opens nothing',
      async (name) => {
        const named = app.dataSource.getRepository(Named)
        await named.clear()
        await named.insert({ id: 1, name: 'abc', secret: 'secret' })
        await db().rawQuery('UPDATE named SET name = ? WHERE id = 1', [name])
        const [row] = await named.find()
        expect(undecryptable(row!.secret)?.failure.code).toBe('CIPHERTEXT_WRONG_ROW')
        await db().rawQuery('UPDATE named SET name = ? WHERE id = 1', ['abc'])
        expect((await named.find())[0]!.secret).toBe('secret')
      },
    )
  },
  // MariaDB compares such texts exactly with a collation only, which `refusals.test.ts` tries.
  { databases: ['postgres', 'sqlite'] },
)

@Entity({ name: 'vault', schema: 'one' })
class VaultOne {
  @PrimaryColumn({ type: 'int' }) id!: number
  @KmsEncrypted({ boundTo: { row: ['id'] } }) secret!: string
}
@Entity({ name: 'vault', schema: 'two' })
class VaultTwo {
  @PrimaryColumn({ type: 'int' }) id!: number
  @KmsEncrypted({ boundTo: { row: ['id'] } }) secret!: string
}

describeDatabases(
  'A value that is moved',
  (db) => {
    it('to the same row and table of another schema opens nothing', async () => {
      await db().rawQuery('CREATE SCHEMA IF NOT EXISTS one')
      await db().rawQuery('CREATE SCHEMA IF NOT EXISTS two')
      const app = await startApplication(db(), [VaultOne, VaultTwo], { onUndecryptable: 'marker' })
      await app.dataSource.getRepository(VaultOne).insert({ id: 1, secret: 'of one' })
      await app.dataSource.getRepository(VaultTwo).insert({ id: 1, secret: 'of two' })
      await db().rawQuery('UPDATE two.vault SET secret = (SELECT secret FROM one.vault)')
      const [row] = await app.dataSource.getRepository(VaultTwo).find()
      expect(undecryptable(row!.secret)?.failure.code).toBe('CIPHERTEXT_WRONG_CONTEXT')
      await app.stop()
    })
  },
  { databases: ['postgres'] },
)

describeDatabases(
  'An update of a row that is found by = ANY',
  (db) => {
    it('with an array, and with a text that the database reads as one', async () => {
      const app = await startApplication(db(), [Named])
      const named = app.dataSource.getRepository(Named)
      await named.insert({ id: 1, name: 'x', secret: 'old' })
      for (const names of [['x'], '{x}']) {
        const secret = `by ${JSON.stringify(names)}`
        const query = named.createQueryBuilder().update().set({ secret })
        await query.where('name = ANY (:names)', { names }).execute()
        expect(await named.find()).toEqual([{ id: 1, name: 'x', secret }])
      }
      await app.stop()
    })
  },
  { databases: ['postgres'] },
)

describeDatabases('Values of both kinds of data keys in one column', (db) => {
  it('open in their own row only, whichever kind was copied', async () => {
    const app = await startApplication(db(), [Coupon], { dataKeys: 'stored', onUndecryptable: 'marker' })
    await coupons(app).insert([coupon(1), coupon(2)])
    const inline = await app.restart({ dataKeys: 'inline' })
    await inline.dataSource.getRepository(Coupon).insert([coupon(3), coupon(4)])
    const table = db().quote('coupon')
    for (const [from, to] of [
      [1, 2],
      [1, 4],
      [3, 2],
      [3, 4],
    ]) {
      const [copied] = await db().rawQuery(`SELECT secret AS v FROM ${table} WHERE id = ?`, [from])
      const [own] = await db().rawQuery(`SELECT secret AS v FROM ${table} WHERE id = ?`, [to])
      await db().rawQuery(`UPDATE ${table} SET secret = ? WHERE id = ?`, [copied!['v'], to])
      const row = await coupons(app).findOneByOrFail({ id: to! })
      expect(undecryptable(row.secret)?.failure.code).toBe('CIPHERTEXT_WRONG_ROW')
      await db().rawQuery(`UPDATE ${table} SET secret = ? WHERE id = ?`, [own!['v'], to])
      expect((await coupons(app).findOneByOrFail({ id: to! })).secret).toBe(`secret ${to}`)
    }
    await app.stop()
  })
  const coupons = ({ dataSource }: TestApplication) => dataSource.getRepository(Coupon)
})

describeDatabases(
  'Rows that a statement returns',
  (db) => {
    it('are opened, with keys given and made by the database, of one and of many', async () => {
      // TypeORM returns rows of MariaDB for this type only.
      const type = db().name === 'mariadb' ? { type: 'mariadb' as const } : {}
      const app = await startApplication(db(), [Coupon, Made], {}, type)
      const { dataSource } = app
      const insert = (entity: typeof Coupon | typeof Made, rows: object[]) =>
        dataSource.createQueryBuilder().insert().into<object>(entity).values(rows).returning('*').execute()
      const given = await insert(Coupon, [coupon(1), coupon(2)])
      expect(given.generatedMaps).toMatchObject([
        { secret: 'secret 1' },
        { secret: 'secret 2', both: 'both' },
      ])
      for (const numbers of [[1], [2, 3, 4]]) {
        const made = await insert(
          Made,
          numbers.map((number) => ({ number, secret: `secret ${number}` })),
        )
        expect(made.generatedMaps).toMatchObject(
          numbers.map((number) => ({ number, secret: `secret ${number}` })),
        )
      }
      const repository = dataSource.getRepository(Made)
      await repository.save([5, 6].map((number) => ({ number, secret: `secret ${number}` })))
      await repository.insert([
        { id: 100, number: 7, secret: 'secret 7' },
        { number: 8, secret: 'secret 8' },
      ])
      const found = await (
        await app.restart({}, type as object)
      ).dataSource
        .getRepository(Made)
        .find({ order: { number: 'ASC' } })
      expect(found.map(({ secret }) => secret)).toEqual(
        [1, 2, 3, 4, 5, 6, 7, 8].map((number) => `secret ${number}`),
      )
      await app.stop()
    })
  },
  { databases: ['mariadb', 'postgres'] },
)
