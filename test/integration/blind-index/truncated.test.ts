import { Column, Entity, Equal, In, ManyToOne, Not, Or, PrimaryColumn, type Repository } from 'typeorm'
import { Indexed, KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'
import { StatementLog } from '../../support/statements'

@Entity()
class Patient {
  @PrimaryColumn('integer') id!: number
  @Column('integer') ward!: number
  @KmsEncrypted({
    type: 'string',
    nullable: true,
    search: [{ bits: 2 }, { name: 'initial', from: (name: string) => name.charAt(0), bits: 1 }],
  })
  name!: string | null
  @KmsEncrypted({ search: { bits: 12 }, storage: 'text' }) city!: string
  @KmsEncrypted({ search: { bits: 3 }, keyPer: ['ward'] }) illness!: string
}

@Entity()
class Visit {
  @PrimaryColumn('integer') id!: number
  @ManyToOne(() => Patient) patient!: Patient
}

const NAMES = ['Ada', 'Bob', 'Cyd', 'Dan', 'Eve', 'Fay']
const WARDS = [1, 2]
const ROWS = 36

/** With so few bits, every search meets rows of other values. */
describeDatabases('A blind index of few bits', (db) => {
  const log = new StatementLog()
  let app: TestApplication
  let patients: Repository<Patient>
  const rows = Array.from({ length: ROWS }, (_, id) => ({
    id,
    ward: WARDS[id % 2]!,
    name: id === 35 ? null : NAMES[id % NAMES.length]!,
    city: `city ${id % 4}`,
    illness: `illness ${id % 3}`,
  }))
  const ids = (found: { id: number }[]) => found.map(({ id }) => id).sort((a, b) => a - b)
  const idsOf = (test: (row: (typeof rows)[number]) => boolean) => ids(rows.filter(test))

  beforeAll(async () => {
    app = await startApplication(db(), [Patient, Visit], withIndexKey, { logging: ['query'], logger: log })
    patients = app.dataSource.getRepository(Patient)
    await patients.insert(rows)
    await app.dataSource.getRepository(Visit).insert(rows.map(({ id }) => ({ id, patient: { id } })))
  })
  afterAll(() => app.stop())

  test('has its bits in as few bytes as hold them, and no more', async () => {
    const stored = await db().rawQuery('SELECT name_index, city_index FROM patient WHERE name IS NOT NULL')
    const names = stored.map((row) => row['name_index'] as Buffer)
    expect(names.every((each) => each.length === 1 && (each[0]! & 0x3f) === 0)).toBe(true)
    expect(new Set(names.map((each) => each[0])).size).toBeGreaterThan(1)
    expect(stored.every((row) => /^[0-9a-f]{3}0$/.test(String(row['city_index'])))).toBe(true)
  })

  test.each<[string, () => Promise<{ id: number }[]>, (row: (typeof rows)[number]) => boolean]>([
    ['a value', () => patients.findBy({ name: 'Ada' }), ({ name }) => name === 'Ada'],
    ['a value that no row has', () => patients.findBy({ name: 'Nobody' }), () => false],
    [
      'In',
      () => patients.findBy({ name: In(['Ada', 'Eve', 'Nobody']) }),
      ({ name }) => name === 'Ada' || name === 'Eve',
    ],
    [
      'Or',
      () => patients.findBy({ name: Or(Equal('Ada'), Equal('Bob')) }),
      ({ name }) => name === 'Ada' || name === 'Bob',
    ],
    [
      'alternatives, and a text column',
      () => patients.findBy([{ name: 'Ada', city: 'city 0' }, { city: 'city 3' }]),
      ({ name, city }) => (name === 'Ada' && city === 'city 0') || city === 'city 3',
    ],
    [
      'an index for each tenant',
      () => patients.findBy({ ward: 1, illness: 'illness 1' }),
      ({ ward, illness }) => ward === 1 && illness === 'illness 1',
    ],
    ['a named index', () => patients.findBy({ name: Indexed('initial', 'F') }), ({ name }) => name === 'Fay'],
    [
      'a text',
      () =>
        patients
          .createQueryBuilder('p')
          .where(':n = p.name AND p.id > :i', { n: 'Ada', i: 6 })
          .orWhere('p.name IN (:...l)', { l: ['Cyd', 'Dan'] })
          .getMany(),
      ({ name, id }) => (name === 'Ada' && id > 6) || name === 'Cyd' || name === 'Dan',
    ],
    [
      'a join',
      () =>
        app.dataSource
          .getRepository(Visit)
          .createQueryBuilder('v')
          .innerJoin('v.patient', 'p', 'p.name = :n', { n: 'Bob' })
          .getMany(),
      ({ name }) => name === 'Bob',
    ],
    [
      'a relation',
      () => app.dataSource.getRepository(Visit).findBy({ patient: { name: 'Bob' } }),
      ({ name }) => name === 'Bob',
    ],
  ])('finds the rows that are meant, and no others: %s', async (_, search, test) => {
    expect(ids(await search())).toEqual(idsOf(test))
  })

  test('pages and counts are those of the value', async () => {
    const where = { name: 'Bob' }
    const own = idsOf(({ name }) => name === 'Bob')
    const page = await patients.findAndCount({ where, order: { id: 'ASC' }, skip: 2, take: 3 })
    expect([ids(page[0]), page[1]]).toEqual([own.slice(2, 5), own.length])
    expect(await patients.countBy(where)).toBe(own.length)
    expect(await patients.existsBy(where)).toBe(true)
    expect(await patients.existsBy({ name: 'Nobody' })).toBe(false)
    expect((await patients.findOne({ where, order: { id: 'DESC' } }))?.id).toBe(own.at(-1))
    const [paged, all] = await patients
      .createQueryBuilder('p')
      .where('p.name = :n', { n: 'Bob' })
      .orderBy('p.id')
      .limit(2)
      .offset(1)
      .getManyAndCount()
    expect([ids(paged), all]).toEqual([own.slice(1, 3), own.length])
  })

  test('an update, a delete and a rolled-back one change the rows that are meant', async () => {
    await app.dataSource
      .transaction(async (manager) => {
        await manager.update(Patient, { name: 'Bob' }, { city: 'moved' })
        expect(ids(await manager.findBy(Patient, { city: 'moved' }))).toEqual(
          idsOf(({ name }) => name === 'Bob'),
        )
        await manager.delete(Visit, { id: In(idsOf(({ name }) => name === 'Ada')) })
        await manager.delete(Patient, { name: 'Ada' })
        expect(await manager.count(Patient)).toBe(ROWS - idsOf(({ name }) => name === 'Ada').length)
        throw new Error('back')
      })
      .catch(() => undefined)
    expect(await patients.countBy({ city: 'moved' })).toBe(0)
    expect(await patients.countBy({ name: 'Ada' })).toBe(idsOf(({ name }) => name === 'Ada').length)
  })

  test('a row of another value with the same bits is no result, whoever wrote it', async () => {
    const { dataSource, encryption } = await app.restart()
    const repository = dataSource.getRepository(Patient)
    await repository.countBy({ name: 'x' })
    const [bob] = await db().rawQuery('SELECT name_index FROM patient WHERE id = 1')
    await db().rawQuery('UPDATE patient SET name_index = ? WHERE id = 0', [bob!['name_index']])
    expect(ids(await repository.findBy({ name: 'Bob' }))).toEqual(idsOf(({ name }) => name === 'Bob'))
    await patients.save({ id: 0, name: null })
    await patients.save({ id: 0, name: 'Ada' })
    await dataSource.destroy()
    encryption.close()
  })

  test.each<[string, () => Promise<unknown>]>([
    ['Not', () => patients.findBy({ name: Not('Ada') })],
    ['<>', () => patients.createQueryBuilder('p').where('p.name <> :n', { n: 'Ada' }).getMany()],
    ['NOT', () => patients.createQueryBuilder('p').where('NOT (p.name = :n)', { n: 'Ada' }).getMany()],
    ['Not of a named one', () => patients.findBy({ name: Not(Indexed('initial', 'F')) })],
    ['DISTINCT', () => patients.createQueryBuilder('p').select('p.name').distinct(true).getRawMany()],
    ['GROUP BY', () => patients.createQueryBuilder('p').select('COUNT(1)').groupBy('p.name').getRawMany()],
  ])('refuses what needs the whole index: %s', async (_, search) => {
    expect(await failure(search())).toMatchObject({ code: 'SEARCH_REFUSED', property: 'name' })
  })

  test('what is opened is counted, and nothing is sent where nothing may be opened', async () => {
    const { encryption } = app
    const count = () => patients.countBy({ name: 'Bob' })
    expect(await failure(encryption.withContext({ maxDecryptions: 5 }, count))).toMatchObject({
      code: 'DECRYPTION_LIMIT',
    })
    log.reset()
    expect(await failure(encryption.deny(count))).toMatchObject({ code: 'DECRYPTION_DENIED' })
    expect(log.sent).toEqual([])
  })
  test('a search that would open too many rows is refused, and opens none', async () => {
    const { columns } = app.dataSource.getMetadata(Patient)
    const others = columns
      .map(({ databaseName }) => db().quote(databaseName))
      .filter((name) => !/id.?$/.test(name))
    for (let count = ROWS; count < 10_500; count *= 2) {
      const list = others.join(', ')
      await db().rawQuery(`INSERT INTO patient (id, ${list}) SELECT id + ${count}, ${list} FROM patient`)
    }
    const before = app.encryption.metrics().values.decrypted
    const error = await failure(
      patients.countBy({
        name: Indexed(
          'initial',
          NAMES.map((name) => name.charAt(0)),
        ),
      }),
    )
    expect(error).toMatchObject({ code: 'SEARCH_REFUSED', property: 'name' })
    expect(error.message).toContain('more than 10000 rows')
    expect(app.encryption.metrics().values.decrypted).toBe(before)
  })
})
