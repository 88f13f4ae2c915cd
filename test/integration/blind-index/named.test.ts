import { inspect } from 'node:util'
import { Column, Entity, In, IsNull, Not, PrimaryGeneratedColumn, type Repository } from 'typeorm'
import { Indexed, KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'
import { StatementLog } from '../../support/statements'

@Entity()
class Card {
  @PrimaryGeneratedColumn() id!: number
  @Column({ default: '' }) note!: string
  @KmsEncrypted({
    type: 'string',
    nullable: true,
    search: [true, { name: 'last4', from: (card: string) => card.slice(-4) }],
  })
  number!: string | null
  @KmsEncrypted({
    storage: 'text',
    search: [
      { name: 'domain', from: (email: string) => email.split('@')[1] ?? '' },
      { name: 'ci', normalize: (email: string) => email.toLowerCase() },
    ],
  })
  email!: string
  @KmsEncrypted({ type: 'date', search: { name: 'year', from: (date: Date) => date.getUTCFullYear() } })
  born!: Date
  @KmsEncrypted({ type: 'number', search: { name: 'bucket', from: (n: number) => Math.floor(n / 100) } })
  amount!: number
}

describeDatabases('Named blind indexes', (db) => {
  const log = new StatementLog()
  let app: TestApplication
  let cards: Repository<Card>

  beforeAll(async () => {
    app = await startApplication(db(), [Card], withIndexKey, { logging: ['query'], logger: log })
    cards = app.dataSource.getRepository(Card)
    const born = new Date('1815-12-10')
    await cards.save([
      { number: '11114242', email: 'Ada@x.org', born, amount: 10 },
      { number: '99994242', email: 'bob@y.org', born: new Date('1990-01-01'), amount: 199 },
      { number: '4242', email: 'cy@x.org', born, amount: 101 },
      { number: null, email: 'dee@z.org', born, amount: -1 },
    ])
  })
  afterAll(() => app.stop())

  const ids = (found: Card[]): number[] => found.map(({ id }) => id).sort()

  test.each<[string, Parameters<Repository<Card>['findBy']>[0], number[]]>([
    ['digits', { number: Indexed('last4', '4242') }, [1, 2, 3]],
    ['digits and the value itself', [{ number: '4242' }, { number: Indexed('last4', '4241') }], [3]],
    ['both of one column', [{ number: Indexed('last4', '4242'), note: '' }, { number: '4242' }], [1, 2, 3]],
    ['Not', { number: Not(Indexed('last4', '1')) }, [1, 2, 3]],
    ['Not of one that all have', { number: Not(Indexed('last4', '4242')) }, []],
    ['a domain', { email: Indexed('domain', 'x.org') }, [1, 3]],
    ['domains', { email: Indexed('domain', ['x.org', 'z.org']) }, [1, 3, 4]],
    [
      'domains by In',
      { email: In([Indexed('domain', 'y.org'), Indexed('domain', 'z.org')]) as never },
      [2, 4],
    ],
    ['normalised', { email: Indexed('ci', 'ADA@X.ORG') }, [1]],
    ['a year', { born: Indexed('year', 1815) }, [1, 3, 4]],
    ['a bucket', { amount: Indexed('bucket', 1) }, [2, 3]],
    ['a bucket below zero', { amount: Indexed('bucket', -1) }, [4]],
    [
      'with others',
      { amount: Indexed('bucket', 1), born: Indexed('year', 1815), number: Not(IsNull()) },
      [3],
    ],
    ['nothing', { email: Indexed('domain', 'X.org') }, []],
  ])('are searched in find options: %s', async (_, where, expected) => {
    expect(ids(await cards.findBy(where))).toEqual(expected)
    expect(await cards.countBy(where)).toBe(expected.length)
    const [page, total] = await cards.findAndCount({ where, order: { id: 'ASC' }, skip: 1, take: 1 })
    expect([ids(page), total]).toEqual([expected.slice(1, 2), expected.length])
  })

  test('are searched by builders, in objects and texts', async () => {
    const builder = () => cards.createQueryBuilder('c')
    const one = Indexed('domain', 'x.org')
    expect(ids(await builder().where({ email: one }).getMany())).toEqual([1, 3])
    expect(
      ids(
        await builder()
          .where('c.email = :e', { e: Indexed('domain', 'x.org') })
          .getMany(),
      ),
    ).toEqual([1, 3])
    expect(
      ids(
        await builder()
          .where('c.email <> :e', { e: Indexed('domain', 'x.org') })
          .getMany(),
      ),
    ).toEqual([2, 4])
    const list = [Indexed('domain', 'y.org'), Indexed('domain', 'z.org')]
    expect(ids(await builder().where('c.email IN (:...list)', { list }).getMany())).toEqual([2, 4])
    // The same text by another index, and by the value itself.
    const text = builder().where('c.number = :n', { n: '4242' })
    expect(ids(await text.getMany())).toEqual([3])
    expect(ids(await text.setParameter('n', Indexed('last4', '4242')).getMany())).toEqual([1, 2, 3])
    expect(ids(await text.setParameter('n', '4242').getMany())).toEqual([3])
  })

  test('are criteria of update and delete', async () => {
    await cards.update({ email: Indexed('domain', 'y.org') }, { note: 'y' })
    expect(await cards.findBy({ note: 'y' })).toMatchObject([{ id: 2 }])
    await cards.insert({ email: 'gone@gone', born: new Date(0), amount: 1, number: null })
    await cards.delete({ email: Indexed('domain', 'gone') })
    expect(await cards.count()).toBe(4)
  })

  test.each<[string, () => Promise<unknown>]>([
    ['one that the column has not', () => cards.findBy({ number: Indexed('first4', 'secret') })],
    ['the value itself, where there are named ones only', () => cards.findBy({ email: 'secret' })],
    ['a column that is not encrypted', () => cards.findBy({ note: Indexed('last4', 'secret') })],
    [
      'two in one list',
      () => cards.findBy({ email: In([Indexed('domain', 'secret'), Indexed('ci', 'b')]) as never }),
    ],
    [
      'a plain column in a text',
      () =>
        cards
          .createQueryBuilder('c')
          .where('c.note = :n', { n: Indexed('last4', 'secret') })
          .getMany(),
    ],
    [
      'an order',
      () =>
        cards
          .createQueryBuilder('c')
          .where('c.number > :n', { n: Indexed('last4', 'secret') })
          .getMany(),
    ],
  ])('are refused otherwise, and show nothing: %s', async (_, search) => {
    log.reset()
    const error = await failure(search())
    expect(inspect(error, { depth: 9 }) + JSON.stringify(error)).not.toContain('secret')
    expect(inspect(log.sent, { depth: 9 })).not.toContain('secret')
  })

  test('show nothing of what is searched, sent and printed', async () => {
    log.reset()
    await cards.findBy({ number: Indexed('last4', '4242'), email: Indexed('domain', 'x.org') })
    const sent = inspect(log.sent, { depth: 9 })
    expect(sent).toContain('number_last4')
    expect(sent).not.toMatch(/4242|x\.org/)
    const operator = Indexed('last4', '4242')
    expect(inspect(operator, { depth: 9 }) + JSON.stringify(operator)).not.toContain('4242')
  })

  test('rows with the named index of another value are INDEX_WRONG', async () => {
    const index = await app.encryption.indexOf(Card, 'email', 'x.org', 'domain')
    await db().rawQuery('UPDATE card SET email_domain = ? WHERE id = 4', [index])
    expect(await failure(cards.findBy({ email: Indexed('domain', 'x.org') }))).toMatchObject({
      code: 'INDEX_WRONG',
    })
    const mended = await app.encryption.indexOf(Card, 'email', 'z.org', 'domain')
    await db().rawQuery('UPDATE card SET email_domain = ? WHERE id = 4', [mended])
    expect(ids(await cards.findBy({ email: Indexed('domain', 'x.org') }))).toEqual([1, 3])
  })
})
