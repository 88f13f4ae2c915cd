import { Column, Entity, In, PrimaryGeneratedColumn, type Repository } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

@Entity()
class Person {
  @PrimaryGeneratedColumn() id!: number
  @Column({ default: 0 }) count!: number
  @KmsEncrypted({ search: true, unique: true }) email!: string
  @KmsEncrypted({
    type: 'string',
    search: [true, { name: 'last4', from: (v: string) => v.slice(-4) }],
    storage: 'text',
    nullable: true,
  })
  card!: string | null
}

describeDatabases(
  'The blind index is written with the value',
  (db) => {
    let app: TestApplication
    let people: Repository<Person>

    beforeAll(async () => {
      app = await startApplication(db(), [Person], withIndexKey)
      people = app.dataSource.getRepository(Person)
    })
    beforeEach(() => people.clear())
    afterAll(() => app.stop())

    const builder = () => people.createQueryBuilder()

    /** Each row is found by its values, and has no index where it has no value. */
    async function expectRows(expected: [email: string, card: string | null][]): Promise<void> {
      const all = await people.find({ order: { id: 'ASC' } })
      expect(all.map(({ email, card }) => [email, card])).toEqual(expected)
      for (const { id, email, card } of all) {
        expect((await people.findBy({ email })).map((each) => each.id)).toEqual([id])
        if (card !== null) {
          const same = all.filter((each) => each.card === card).map((each) => each.id)
          expect(
            (await people.find({ where: { card }, order: { id: 'ASC' } })).map((each) => each.id),
          ).toEqual(same)
        }
      }
      const raw = await db().rawQuery(
        `SELECT card, card_index, card_last4, email_index FROM person ORDER BY id`,
      )
      expect(raw.map((row) => [row['card_index'] === null, row['card_last4'] === null])).toEqual(
        expected.map(([, card]) => [card === null, card === null]),
      )
      for (const row of raw) {
        expect((row['email_index'] as Buffer).length).toBe(16)
        if (row['card_index'] !== null) expect(row['card_index']).toMatch(/^[0-9a-f]{32}$/)
      }
    }

    test('is no property of the entity, whatever happened to it', async () => {
      const properties = ['card', 'count', 'email', 'id']
      const person = await people.save(people.create({ email: 'a' }))
      expect(Object.keys(person).sort()).toEqual(properties)
      person.email = 'b'
      expect(Object.keys(await people.save(person)).sort()).toEqual(properties)
      const [again] = await people.save([{ id: person.id, card: '1' }])
      expect(Object.keys(again!).sort()).toEqual(['card', 'id'])
      expect(Object.keys(await people.findOneByOrFail({ email: 'b' })).sort()).toEqual(properties)
      await people.upsert({ email: 'b', card: '2' }, ['email'])
      await expectRows([['b', '2']])
    })

    test.each<[string, () => Promise<unknown>, [string, string | null][]]>([
      ['save', () => people.save({ email: 'a', card: '1111' }), [['a', '1111']]],
      [
        'save of several',
        () => people.save([{ email: 'a', card: '1' }, { email: 'b', card: null }, { email: 'c' }]),
        [
          ['a', '1'],
          ['b', null],
          ['c', null],
        ],
      ],
      [
        'save of a change',
        async () => {
          const [one, two] = await people.save([
            { email: 'a', card: '1' },
            { email: 'b', card: '2' },
          ])
          one!.email = 'c'
          Object.assign(two!, { card: null })
          await people.save([one!, two!])
          one!.card = '3'
          await people.save(one!)
        },
        [
          ['c', '3'],
          ['b', null],
        ],
      ],
      [
        'insert and update',
        async () => {
          await people.insert([
            { email: 'a', card: '1' },
            { email: 'b', card: '2' },
          ])
          await people.update({ email: 'a' }, { card: '9' })
          await people.update({ email: In(['b']) }, { email: 'z', count: 4 })
        },
        [
          ['a', '9'],
          ['z', '2'],
        ],
      ],
      [
        'builders without listeners',
        async () => {
          await builder().insert().values({ email: 'a', card: '1' }).callListeners(false).execute()
          await builder()
            .insert()
            .values([{ email: 'b', card: null }, { email: 'c' }])
            .execute()
          await builder()
            .update()
            .set({ card: '5', count: () => 'count + 1' })
            .where({ email: 'b' })
            .callListeners(false)
            .execute()
          await builder().update().set({ card: null }).where('email = :e', { e: 'a' }).execute()
        },
        [
          ['a', null],
          ['b', '5'],
          ['c', null],
        ],
      ],
      [
        'upsert by the value itself',
        async () => {
          await people.insert({ email: 'b', card: '1' })
          await people.upsert(
            [
              { email: 'b', card: '3' },
              { email: 'c', card: '4' },
            ],
            ['email'],
          )
          await people.upsert(
            { email: 'c', card: '5' },
            { conflictPaths: { email: true }, skipUpdateIfNoValuesChanged: true },
          )
        },
        [
          ['b', '3'],
          ['c', '5'],
        ],
      ],
      [
        'an insert builder that updates by the value itself',
        async () => {
          await people.insert({ email: 'b', card: '1' })
          const values = [
            { email: 'b', card: '3' },
            { email: 'c', card: '4' },
          ]
          await builder().insert().values(values).orUpdate(['card'], ['email']).execute()
          await builder()
            .insert()
            .values({ email: 'c', card: null })
            .orUpdate(['email', 'card'], ['email'])
            .execute()
        },
        [
          ['b', '3'],
          ['c', null],
        ],
      ],
      [
        'delete, and a transaction that is rolled back',
        async () => {
          await people.insert([{ email: 'a' }, { email: 'b' }, { email: 'c' }])
          await people.delete({ email: 'a' })
          await failure(
            app.dataSource.transaction(async (manager) => {
              await manager.update(Person, { email: 'b' }, { email: 'x' })
              expect(await manager.countBy(Person, { email: 'x' })).toBe(1)
              throw new Error('back')
            }),
          )
          await builder()
            .delete()
            .where('email IN (:...e)', { e: ['c', 'none'] })
            .execute()
        },
        [['b', null]],
      ],
    ])('%s', async (_, write, expected) => {
      await write()
      await expectRows(expected)
    })

    test('a violation of a unique index names the property, and shows no value', async () => {
      await people.insert({ email: 'taken@x' })
      for (const write of [
        () => people.insert({ email: 'taken@x' }),
        () => people.save({ email: 'taken@x' }),
        async () => {
          await people.insert({ email: 'other' })
          await people.update({ email: 'other' }, { email: 'taken@x' })
        },
      ]) {
        const error = await failure(write())
        const { code = 'none' } = error as { code?: string }
        // The errors of sql.js have no code.
        expect(code).toMatch(
          db().standIn === 'sqljs' ? 'none' : /^(ER_DUP_ENTRY|23505|SQLITE_CONSTRAINT_UNIQUE)$/,
        )
        expect(error.message).toMatch(/^Person\.email: /)
        expect(`${error.message} ${String(error.stack)} ${JSON.stringify(error)}`).not.toContain('taken')
      }
    })

    test('the index has the size of a hash, and an index of the database', async () => {
      const queryRunner = app.dataSource.createQueryRunner()
      const table = await queryRunner.getTable('person')
      await queryRunner.release()
      const unique = table!.indices.filter(({ isUnique }) => isUnique).map(({ columnNames }) => columnNames)
      const plain = table!.indices.filter(({ isUnique }) => !isUnique).map(({ columnNames }) => columnNames)
      expect(unique).toEqual([['email_index']])
      expect(plain.flat().sort()).toEqual(['card_index', 'card_last4'])
      const sql = await app.dataSource.driver.createSchemaBuilder().log()
      expect(sql.upQueries.map(({ query }) => query)).toEqual([])
    })

    test('what is loaded, copied and printed does not have the index', async () => {
      await people.save({ email: 'a', card: '1' })
      const [one] = await people.find()
      expect(Object.keys(one!).sort()).toEqual(['card', 'count', 'email', 'id'])
    })
  },
  { mariadbType: 'mariadb' },
)

describeDatabases('Hand-written SQL with blind indexes', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Person], withIndexKey)
  })
  afterAll(() => app.stop())

  test('writes value and indexes, and finds by them', async () => {
    const { encryption, dataSource } = app
    const people = dataSource.getRepository(Person)
    const stored = await encryption.encryptAll(Person, { email: 'a@x', card: '11114242' })
    expect(Object.keys(stored).sort()).toEqual(['card', 'card_index', 'card_last4', 'email', 'email_index'])
    const names = Object.keys(stored)
    await db().rawQuery(
      `INSERT INTO person (count, ${names.join(', ')}) VALUES (7, ${names.map(() => '?').join(', ')})`,
      Object.values(stored),
    )
    expect(await people.findBy({ email: 'a@x', card: '11114242' })).toMatchObject([{ count: 7 }])
    const index = await encryption.indexOf(Person, 'card', '4242', 'last4')
    expect(index).toBe(stored['card_last4'])
    expect(
      await people.createQueryBuilder('p').where('p.card_last4 = :index', { index }).getMany(),
    ).toMatchObject([{ count: 7 }])
    expect(await encryption.indexOf(Person, 'email', 'a@x')).toEqual(stored['email_index'])
    expect(await encryption.encryptAll(Person, { card: null })).toEqual({
      card: null,
      card_index: null,
      card_last4: null,
    })
  })

  test('is refused where it would leave the index behind', async () => {
    const { encryption } = app
    expect(await failure(encryption.encrypt(Person, 'email', 'x'))).toMatchObject({
      code: 'INVALID_OPTION',
      property: 'email',
    })
    expect(await failure(encryption.indexOf(Person, 'email', 'x', 'other'))).toMatchObject({
      code: 'INVALID_OPTION',
    })
  })
})
