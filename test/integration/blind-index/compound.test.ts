import {
  ChildEntity,
  Column,
  Entity,
  In,
  Not,
  PrimaryColumn,
  type Repository,
  TableInheritance,
} from 'typeorm'
import { Indexed, KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, encryptColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'
import { StatementLog } from '../../support/statements'

class Birth {
  @KmsEncrypted({ type: 'date', nullable: true, search: { name: 'at', with: ['place'] } }) day!: Date | null
  @KmsEncrypted({ type: 'string', nullable: true, storage: 'text' }) place!: string | null
}

@Entity()
class Citizen {
  @PrimaryColumn('integer') id!: number
  @Column({ type: 'varchar', length: 20, default: '' }) note!: string
  @KmsEncrypted({ type: 'string', nullable: true, search: [{ name: 'person', with: ['first', 'year'] }] })
  last!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, search: true }) first!: string | null
  @KmsEncrypted({ type: 'number', nullable: true }) year!: number | null
  @Column(() => Birth) birth!: Birth
}

@Entity()
class Resident {
  @PrimaryColumn('integer') id!: number
  @Column('integer') town!: number
  @KmsEncrypted({ keyPer: ['town'], search: { name: 'both', with: ['door'], unique: 'perKey' } })
  street!: string
  @KmsEncrypted({ keyPer: ['town'], boundTo: { row: ['id'] } }) door!: string
}

@Entity()
@TableInheritance({ column: { name: 'kind', type: 'varchar' } })
class Party {
  @PrimaryColumn('integer') id!: number
  @KmsEncrypted({ search: { name: 'both', with: ['code'] } }) name!: string
  @KmsEncrypted() code!: string
}

@ChildEntity()
class Company extends Party {
  @KmsEncrypted({ type: 'string', nullable: true, search: { name: 'seat', with: ['code'] } }) town!:
    string | null
}

@ChildEntity()
class Club extends Party {
  @KmsEncrypted({ type: 'string', nullable: true, search: { name: 'game', with: ['code'] } }) sport!:
    string | null
}

const DAY = new Date('1815-12-10T00:00:00Z')

describeDatabases('A blind index over several columns', (db) => {
  const log = new StatementLog()
  let app: TestApplication
  let citizens: Repository<Citizen>
  const row = (id: number, last: string | null, first: string | null, year: number | null) => ({
    id,
    last,
    first,
    year,
    birth: { day: id % 2 === 0 ? DAY : null, place: `place ${id}` },
  })
  const ids = (found: { id: number }[]) => found.map(({ id }) => id).sort((a, b) => a - b)
  const ada = { last: 'Lovelace', first: 'Ada', year: 1815 }
  const findAda = (repository = citizens) => repository.findBy(ada)

  beforeAll(async () => {
    app = await startApplication(db(), [Citizen, Resident, Party, Company, Club], withIndexKey, {
      logging: ['query'],
      logger: log,
    })
    citizens = app.dataSource.getRepository(Citizen)
  })
  beforeEach(async () => {
    await citizens.clear()
    await citizens.insert([
      row(1, 'Lovelace', 'Ada', 1815),
      row(2, 'Lovelace', 'Ada', 1816),
      row(3, 'Byron', 'Ada', 1815),
      row(4, 'Lovelace', null, 1815),
      row(5, 'LovelaceA', 'da', 1815),
    ])
  })
  afterAll(() => app.stop())

  /** That every row has the index of its values, or none, is what the first look of a process goes by. */
  const indexesAreRight = async () => {
    const { dataSource, encryption } = await app.restart()
    const repository = dataSource.getRepository(Citizen)
    for (const each of await repository.find()) {
      const { last, first, year } = each
      if (last === null || first === null || year === null) continue
      const found = await repository.findBy({ last: Indexed('person', { last, first, year }) })
      expect(ids(found)).toContain(each.id)
    }
    const nulls = await db().rawQuery(
      'SELECT id FROM citizen WHERE last_person IS NOT NULL AND (last IS NULL OR first IS NULL OR year IS NULL)',
    )
    expect(nulls).toEqual([])
    await dataSource.destroy()
    encryption.close()
  }

  test('answers equality of all its columns, in find options and in texts, in any order', async () => {
    expect(ids(await findAda())).toEqual([1])
    expect(ids(await citizens.findBy({ year: 1815, first: 'Ada', last: 'Byron' }))).toEqual([3])
    expect(await citizens.countBy(ada)).toBe(1)
    expect(await citizens.existsBy({ ...ada, year: 1900 })).toBe(false)
    const text = citizens
      .createQueryBuilder('c')
      .where('c.year = :y AND :l = c.last', { y: 1816, l: 'Lovelace' })
      .andWhere('c.first = :f AND c.id > 0', { f: 'Ada' })
    // SQLite has numbers in the text of a statement, where they are in the log.
    if (db().name === 'sqlite')
      expect(await failure(text.getMany())).toMatchObject({ code: 'SEARCH_REFUSED' })
    else expect(ids(await text.getMany())).toEqual([2])
    expect(ids(await citizens.findBy({ birth: { day: DAY, place: 'place 2' } }))).toEqual([2])
    const page = await citizens.findAndCount({ where: ada, order: { id: 'ASC' }, skip: 0, take: 1 })
    expect([ids(page[0]), page[1]]).toEqual([[1], 1])
  })

  test('is asked by its name for one row of values, or several', async () => {
    const of = (last: string, first: string, year: number) => ({ last, first, year })
    const search = (value: object | object[]) => citizens.findBy({ last: Indexed('person', value as never) })
    expect(ids(await search(of('Lovelace', 'Ada', 1815)))).toEqual([1])
    expect(ids(await search([of('Lovelace', 'Ada', 1816), of('Byron', 'Ada', 1815)]))).toEqual([2, 3])
    expect(ids(await citizens.findBy({ last: Not(Indexed('person', ada as never)) }))).toEqual([2, 3, 5])
    for (const wrong of ['Ada', { last: 'Lovelace', first: 'Ada' }, { ...ada, other: 1 }]) {
      expect(await failure(search(wrong as object))).toMatchObject({
        code: 'INVALID_VALUE',
        entity: 'Citizen',
      })
    }
  })

  test.each<[string, () => Promise<unknown>]>([
    ['one column alone', () => citizens.findBy({ last: 'Lovelace' })],
    ['not all of them', () => citizens.findBy({ last: 'Lovelace', first: 'Ada' })],
    ['In', () => citizens.findBy({ ...ada, year: In([1815]) })],
    ['Not', () => citizens.findBy({ ...ada, last: Not('Lovelace') })],
    ['alternatives', () => citizens.findBy([ada, { ...ada, year: 1816 }])],
  ])('refuses %s', async (_, search) => {
    expect(await failure(search())).toMatchObject({ code: 'SEARCH_REFUSED', entity: 'Citizen' })
  })

  test('a row with the index of another is INDEX_WRONG, and never a result', async () => {
    await findAda()
    await db().rawQuery(
      'UPDATE citizen SET last_person = (SELECT i FROM (SELECT last_person AS i FROM citizen WHERE id = 1) AS x) WHERE id = 3',
    )
    expect(await failure(findAda())).toMatchObject({ code: 'INDEX_WRONG', entity: 'Citizen' })
  })

  test.each<[string, () => Promise<unknown>, number[]]>([
    ['save of one property', () => citizens.save({ id: 3, last: 'Lovelace' }), [1, 3]],
    [
      'save of an entity',
      async () => citizens.save(Object.assign(await citizens.findOneByOrFail({ id: 2 }), { year: 1815 })),
      [1, 2],
    ],
    [
      'save of several entities',
      () =>
        citizens.save([
          { id: 2, year: 1815 },
          { id: 1, year: 1 },
        ]),
      [2],
    ],
    ['a property set to NULL', () => citizens.save({ id: 1, first: null }), []],
    ['one that was NULL', () => citizens.save({ id: 4, first: 'Ada' }), [1, 4]],
    [
      'update of many rows that differ in the others',
      () => citizens.update({ id: Not(5) }, { year: 1815 }),
      [1, 2],
    ],
    [
      'update by what is searched',
      () => citizens.update({ first: 'Ada' }, { last: 'Lovelace', note: 'x' }),
      [1, 3],
    ],
    ['update of all columns', () => citizens.update({ id: 5 }, ada), [1, 5]],
    ['update of none of them', () => citizens.update({ id: 1 }, { note: 'x' }), [1]],
    ['update of no row', () => citizens.update({ id: 99 }, { year: 1815 }), [1]],
    [
      'update with a builder, by a text',
      () =>
        citizens
          .createQueryBuilder()
          .update()
          .set({ year: 1815 })
          .where("first = :f AND note = '' AND id > :i", { f: 'Ada', i: 1 })
          .execute(),
      [1, 2],
    ],
    ['upsert of whole rows', () => citizens.upsert({ ...row(3, 'Lovelace', 'Ada', 1815) }, ['id']), [1, 3]],
    ['insert without one of them', () => citizens.insert({ id: 9, last: 'Lovelace', birth: {} }), [1]],
  ])('is written on every path: %s', async (_, write, expected) => {
    await write()
    expect(ids(await findAda())).toEqual(expected)
    await indexesAreRight()
  })

  test('an upsert that overwrites some of them only is refused, since nobody knows the others', async () => {
    const upsert = citizens
      .createQueryBuilder()
      .insert()
      .values(row(1, 'X', 'Y', 1))
      .orUpdate(['last'], ['id'])
    expect(await failure(upsert.execute())).toMatchObject({ code: 'INVALID_VALUE', entity: 'Citizen' })
    expect(ids(await findAda())).toEqual([1])
  })

  test('rolls back with its values', async () => {
    await app.dataSource
      .transaction(async (manager) => {
        await manager.update(Citizen, 3, { last: 'Lovelace' })
        expect(ids(await manager.findBy(Citizen, ada))).toEqual([1, 3])
        throw new Error('back')
      })
      .catch(() => undefined)
    expect(ids(await findAda())).toEqual([1])
    await indexesAreRight()
  })

  test('two that change different columns of one row side by side leave the index of both', async () => {
    for (let times = 0; times < 5; times++) {
      await Promise.all([
        citizens.update(3, { last: times % 2 === 0 ? 'Lovelace' : 'Byron' }),
        citizens.update(3, { year: 1815 + times }),
      ])
    }
    expect(ids(await citizens.findBy({ last: 'Lovelace', first: 'Ada', year: 1819 }))).toEqual([3])
    await indexesAreRight()
  })

  test('for raw SQL, with all its values and no fewer', async () => {
    const { encryption } = app
    const stored = await encryption.encryptAll(Citizen, { last: 'Byron', first: 'Ada', year: 1815 })
    expect(Object.keys(stored).sort()).toEqual(['first', 'first_index', 'last', 'last_person', 'year'])
    const other = await encryption.indexOf(
      Citizen,
      'last',
      { last: 'Byron', first: 'Ada', year: 1815 },
      'person',
    )
    expect(stored['last_person']).toEqual(other)
    expect((await encryption.encryptAll(Citizen, { last: 'x', first: null }))['last_person']).toBeNull()
    expect(await failure(encryption.encryptAll(Citizen, { year: 1 }))).toMatchObject({
      code: 'INVALID_OPTION',
    })
    expect(await failure(encryption.encrypt(Citizen, 'year', 1))).toMatchObject({ code: 'INVALID_OPTION' })
  })

  test('for each tenant, unique there, over values that are bound to their row', async () => {
    const residents = app.dataSource.getRepository(Resident)
    await residents.clear()
    const one = { street: 'Elm', door: '7' }
    await residents.insert([
      { id: 1, town: 1, ...one },
      { id: 2, town: 2, ...one },
      { id: 3, town: 2, street: 'Elm', door: '8' },
    ])
    expect(ids(await residents.findBy({ town: 2, ...one }))).toEqual([2])
    expect(await failure(residents.findBy(one))).toMatchObject({ code: 'SEARCH_REFUSED' })
    expect(await failure(residents.save({ id: 3, door: '7' }))).toMatchObject({
      message: expect.stringMatching(/^Resident\.street: another row has the same value/),
    })
    await residents.update({ id: 3, town: 2 }, { door: '9' })
    expect(ids(await residents.findBy({ town: 2, street: 'Elm', door: '9' }))).toEqual([3])
  })

  test('of a class and its subclasses, which share the table', async () => {
    const companies = app.dataSource.getRepository(Company)
    const parties = app.dataSource.getRepository(Party)
    await companies.save({ id: 1, name: 'Acme', code: 'x', town: 'Rome' })
    await companies.update(1, { code: 'y' })
    expect(ids(await parties.findBy({ name: 'Acme', code: 'y' }))).toEqual([1])
    expect(ids(await companies.findBy({ town: 'Rome', code: 'y' }))).toEqual([1])
    const clubs = app.dataSource.getRepository(Club)
    await clubs.save({ id: 2, name: 'Union', code: 'x', sport: 'chess' })
    for (const [code, repository] of [
      ['v', clubs],
      ['w', parties],
    ] as const) {
      await repository.update(2, { code })
      expect(ids(await clubs.findBy({ sport: 'chess', code }))).toEqual([2])
      expect(ids(await parties.findBy({ name: 'Union', code }))).toEqual([2])
    }
    await parties.update(1, { code: 'z' })
    expect(ids(await companies.findBy({ town: 'Rome', code: 'z', name: 'Acme' }))).toEqual([1])
    expect(await parties.countBy({ name: 'Acme', code: 'y' })).toBe(0)
  })

  test('no statement has a value in it', async () => {
    log.reset()
    await citizens.save({ id: 3, last: 'Lovelace' })
    await findAda()
    expect(JSON.stringify(log.sent)).not.toMatch(/Lovelace|Ada|1815/)
  })
  test('is filled, counted, verified and mended by the tool', async () => {
    const { dataSource, encryption } = await app.restart()
    const repository = dataSource.getRepository(Citizen)
    const properties = ['last', 'first', 'year']
    const change = async (...[sql, parameters]: Parameters<ReturnType<typeof db>['rawQuery']>) => {
      await db().rawQuery(sql, parameters)
    }
    await change('UPDATE citizen SET last_person = NULL')
    const missing = async () => (await columnStatus(dataSource, Citizen, 'last')).indexes
    expect(await missing()).toMatchObject([{ name: 'person', missing: 4 }])
    expect(await failure(findAda(repository))).toMatchObject({ code: 'SEARCH_INCOMPLETE' })
    expect(await encryptColumns(dataSource, Citizen, properties)).toMatchObject([
      { property: 'first', changed: 0 },
      { property: 'year', changed: 0 },
      { property: 'last', changed: 4 },
    ])
    expect(await missing()).toMatchObject([{ missing: 0 }])
    expect(await encryptColumns(dataSource, Citizen, ['last'])).toMatchObject([{ changed: 0 }])
    expect(ids(await findAda(repository))).toEqual([1])
    expect(await verifyColumns(dataSource, Citizen, properties)).toMatchObject([
      { failed: 0 },
      { failed: 0 },
      { failed: 0 },
    ])
    // A changed member, and a member that is gone.
    await change(
      'UPDATE citizen SET year = (SELECT y FROM (SELECT year AS y FROM citizen WHERE id = 1) AS x) WHERE id = 2',
    )
    await change('UPDATE citizen SET first = NULL WHERE id = 3')
    expect(await verifyColumns(dataSource, Citizen, ['last'])).toMatchObject([
      { failed: 2, unreadable: [{ code: 'INDEX_WRONG' }, { code: 'INDEX_WRONG' }] },
    ])
    expect(await encryptColumns(dataSource, Citizen, ['last'], { rebuildIndexes: true })).toMatchObject([
      { changed: 2 },
    ])
    expect(await verifyColumns(dataSource, Citizen, ['last'])).toMatchObject([{ failed: 0 }])
    expect(ids(await findAda(repository))).toEqual([1, 2])
    await dataSource.destroy()
    encryption.close()
  })
})

describeDatabases('Forgetting a tenant', (db) => {
  let app: TestApplication
  beforeAll(async () => {
    app = await startApplication(db(), [Resident], { dataKeys: { lease: 500 } })
  })
  afterAll(() => app.stop())

  test('overwrites the indexes that its values have a part in, and names them', async () => {
    const residents = app.dataSource.getRepository(Resident)
    await residents.insert([1, 2].map((town) => ({ id: town, town, street: 'Elm', door: '7' })))
    expect(await residents.countBy({ town: 1, street: 'Elm', door: '7' })).toBe(1)
    const indexes = async () =>
      (await db().rawQuery('SELECT street_both FROM resident ORDER BY id')).map((row) =>
        (row['street_both'] as Buffer).toString('hex'),
      )
    const before = await indexes()
    const report = await app.encryption.forget({ town: '1' })
    expect(report.columns.map(({ property, rows, indexes: all }) => [property, rows, all])).toEqual([
      ['street', 1, ['street_both']],
      ['door', 1, ['street_both']],
    ])
    const after = await indexes()
    expect(after.map((each, at) => each === before[at])).toEqual([false, true])
    expect(after[0]).toHaveLength(32)
  })
})
