import { Column, Entity, ManyToOne, PrimaryGeneratedColumn, type Repository } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

@Entity()
class Buyer {
  @PrimaryGeneratedColumn() id!: number
  @Column() shop!: string
  @KmsEncrypted({ type: 'string', search: true, nullable: true }) email!: string | null
  @KmsEncrypted({ search: true, storage: 'text' }) city!: string
  @KmsEncrypted({ search: { normalize: (v: string) => v.toLowerCase() } }) login!: string
  @KmsEncrypted() secret!: string
}

@Entity()
class Purchase {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'integer' }) price!: number
  @ManyToOne(() => Buyer) buyer!: Buyer
}

describeDatabases('Equal values are told by an exact index', (db) => {
  let app: TestApplication
  let buyers: Repository<Buyer>

  beforeAll(async () => {
    app = await startApplication(db(), [Buyer, Purchase], withIndexKey)
    buyers = app.dataSource.getRepository(Buyer)
    const row = (shop: string, email: string | null, city: string) => ({
      shop,
      email,
      city,
      login: 'x',
      secret: 's',
    })
    await buyers.insert([
      row('s1', 'a@x', 'Bonn'),
      row('s1', 'a@x', 'Köln'),
      row('s2', 'a@x', 'Bonn'),
      row('s2', 'b@x', 'Bonn'),
      row('s2', null, 'Köln'),
      row('s2', null, 'Köln'),
    ])
    const purchases = app.dataSource.getRepository(Purchase)
    await purchases.save([1, 2, 3, 4].map((id) => ({ price: id * 10, buyer: { id } })))
  })
  afterAll(() => app.stop())

  const builder = () => buyers.createQueryBuilder('b')
  /** Ciphertexts of raw rows opened, and all as text in an order. */
  async function opened(rows: object[], properties: Record<string, string>): Promise<string[]> {
    const texts: string[] = []
    for (const row of rows as Record<string, unknown>[]) {
      const entries: unknown[] = []
      for (const [name, value] of Object.entries(row)) {
        const property = properties[name]
        entries.push(
          property && value !== null ? await app.encryption.decrypt(Buyer, property as 'city', value) : value,
        )
      }
      texts.push(entries.map(String).join(' '))
    }
    return texts.sort()
  }

  test.each<[string, () => Promise<object[]>, string[]]>([
    ['COUNT(DISTINCT)', () => builder().select('COUNT(DISTINCT b.email)', 'n').getRawMany(), ['2']],
    [
      'COUNT(DISTINCT) for each shop',
      () =>
        builder()
          .select('b.shop', 'shop')
          .addSelect('COUNT(DISTINCT b.city)', 'n')
          .groupBy('b.shop')
          .getRawMany(),
      ['s1 2', 's2 2'],
    ],
    [
      'GROUP BY',
      () => builder().select('b.email', 'email').addSelect('COUNT(*)', 'n').groupBy('b.email').getRawMany(),
      ['a@x 3', 'b@x 1', 'null 2'],
    ],
    [
      'GROUP BY of what is not selected',
      () => builder().select('COUNT(*)', 'n').groupBy('b.city').getRawMany(),
      ['3', '3'],
    ],
    [
      'GROUP BY with others, HAVING, WHERE and a page',
      () =>
        builder()
          .select('b.shop', 'shop')
          .addSelect('b.city', 'city')
          .addSelect('COUNT(*)', 'n')
          .where('b.email <> :e', { e: 'b@x' })
          .groupBy('b.shop')
          .addGroupBy('b.city')
          .having('COUNT(*) > 0')
          .orderBy('b.shop')
          .limit(10)
          .getRawMany(),
      ['s1 Bonn 1', 's1 Köln 1', 's2 Bonn 1'],
    ],
    [
      'DISTINCT',
      () => builder().select('b.email', 'email').distinct(true).getRawMany(),
      ['a@x', 'b@x', 'null'],
    ],
    ['DISTINCT in a text', () => builder().select('DISTINCT b.city', 'city').getRawMany(), ['Bonn', 'Köln']],
    [
      'DISTINCT of two, with another column, in order',
      () =>
        builder()
          .select(['b.shop', 'b.city', 'b.email'])
          .distinct(true)
          .where('b.email = :e', { e: 'a@x' })
          .orderBy('b.shop')
          .getRawMany<Record<string, unknown>>()
          // TypeORM's majors select them in different orders.
          .then((rows) => rows.map(({ b_shop, b_city, b_email }) => ({ b_shop, b_city, b_email }))),
      ['s1 Bonn a@x', 's1 Köln a@x', 's2 Bonn a@x'],
    ],
    [
      'GROUP BY over a join',
      () =>
        app.dataSource
          .getRepository(Purchase)
          .createQueryBuilder('p')
          .innerJoin('p.buyer', 'b')
          .select('b.email', 'email')
          .addSelect('SUM(p.price)', 'sum')
          .groupBy('b.email')
          .getRawMany(),
      ['a@x 60', 'b@x 40'],
    ],
    [
      'GROUP BY in a subquery',
      () =>
        builder()
          .select('b.id', 'id')
          .where(
            (query) =>
              `b.id IN ${query.subQuery().select('MIN(c.id)').from(Buyer, 'c').groupBy('c.email').getQuery()}`,
          )
          .getRawMany(),
      ['1', '4', '5'],
    ],
  ])('%s', async (_, query, expected) => {
    const properties = { email: 'email', city: 'city', b_email: 'email', b_city: 'city' }
    expect(await opened(await query(), properties)).toEqual(expected)
  })

  test.each<[string, () => Promise<unknown>]>([
    ['with normalize', () => builder().select('COUNT(DISTINCT b.login)', 'n').getRawOne()],
    ['with normalize', () => builder().select('b.login').groupBy('b.login').getRawMany()],
    ['with normalize', () => builder().select('b.login').distinct(true).getRawMany()],
    ['without search', () => builder().select('b.secret').distinct(true).getRawMany()],
    ['one of two', () => builder().select(['b.email', 'b.login']).distinct(true).getRawMany()],
    ['of an expression', () => builder().select('COUNT(DISTINCT LOWER(b.email))', 'n').getRawOne()],
    ['beside an aggregate', () => builder().select('MAX(b.email)', 'm').groupBy('b.email').getRawMany()],
    ['in order', () => builder().select('b.email').groupBy('b.email').orderBy('b.email').getRawMany()],
  ])('refused: %s', async (_, query) => {
    expect(await failure(query())).toMatchObject({ code: 'SEARCH_REFUSED' })
  })

  test('entities by a whole key are loaded as before', async () => {
    const found = await builder()
      .groupBy('b.id')
      .addGroupBy('b.email')
      .getMany()
      .catch((error: unknown) => error)
    // What PostgreSQL asks of GROUP BY is its own.
    if (Array.isArray(found))
      expect(found.map(({ email }) => String(email)).sort()).toEqual([
        'a@x',
        'a@x',
        'a@x',
        'b@x',
        'null',
        'null',
      ])
    expect((await builder().distinct(true).getMany()).length).toBe(6)
  })
})
