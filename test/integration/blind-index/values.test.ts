import { Column, Entity, In, Not, PrimaryColumn, type Repository } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication, withIndexKey } from '../../support/encryption'
import { StatementLog } from '../../support/statements'

@Entity()
class Sample {
  @PrimaryColumn('integer') id!: number
  @KmsEncrypted({ type: 'string', search: true, nullable: true }) text!: string | null
  @KmsEncrypted({ type: 'json', search: true, nullable: true }) json!: unknown
  @KmsEncrypted({ type: 'date', search: true, nullable: true }) date!: Date | null
  @KmsEncrypted({ type: 'buffer', search: true, nullable: true }) bytes!: Buffer | null
  @KmsEncrypted({ type: 'number', search: true, nullable: true }) number!: number | null
  @KmsEncrypted({ type: 'bigint', search: true, nullable: true }) bigint!: bigint | null
  @KmsEncrypted({ type: 'boolean', search: true, nullable: true, storage: 'text' }) boolean!: boolean | null
}

type Property = Exclude<keyof Sample, 'id'>

describeDatabases('A search compares bytes', (db) => {
  let app: TestApplication
  let samples: Repository<Sample>

  beforeAll(async () => {
    app = await startApplication(db(), [Sample], withIndexKey)
    samples = app.dataSource.getRepository(Sample)
  })
  beforeEach(() => samples.clear())
  afterAll(() => app.stop())

  test.each<[string, Property, unknown, unknown, boolean]>([
    ['case', 'text', 'a', 'A', false],
    ['one code point and two', 'text', '\u00e9', 'e\u0301', false],
    ['compatible forms', 'text', '\ufb01', 'fi', false],
    ['a space behind', 'text', 'a', 'a ', false],
    ['a space in front', 'text', ' a', 'a', false],
    ['NUL behind', 'text', 'a', 'a\0', false],
    ['the empty text, and itself', 'text', '', '', true],
    ['the empty text, and a space', 'text', '', ' ', false],
    ['sharp s', 'text', '\u00df', 'ss', false],
    ['surrogates', 'text', '\u{1f511}', '\u{1f511}', true],
    ['the same JSON', 'json', { a: 1, b: [2] }, { a: 1, b: [2] }, true],
    ['the order of members', 'json', { a: 1, b: 2 }, { b: 2, a: 1 }, false],
    ['a member that is undefined', 'json', { a: 1 }, { a: 1, b: undefined }, true],
    ['numbers of JSON', 'json', 1, 1.0, true],
    ['JSON text and number', 'json', 1, '1', false],
    ['one millisecond', 'date', new Date(0), new Date(1), false],
    [
      'the same moment',
      'date',
      new Date('2020-01-01T01:00:00+01:00'),
      new Date('2020-01-01T00:00:00Z'),
      true,
    ],
    ['the same bytes', 'bytes', Buffer.of(0, 255), Buffer.of(0, 255), true],
    ['a byte less', 'bytes', Buffer.of(0, 0), Buffer.of(0), false],
    ['no bytes', 'bytes', Buffer.alloc(0), Buffer.alloc(0), true],
    ['zero and minus zero', 'number', 0, -0, false],
    ['minus zero', 'number', -0, -0, true],
    ['the same number', 'number', 0.1, 1e-1, true],
    ['the next number', 'number', 1, 1 + Number.EPSILON, false],
    ['bigint', 'bigint', 2n ** 70n, 2n ** 70n, true],
    ['bigint and the next', 'bigint', 2n ** 70n, 2n ** 70n + 1n, false],
    ['true and false', 'boolean', true, false, false],
    ['false', 'boolean', false, false, true],
  ])('%s', async (_, property, stored, searched, isEqual) => {
    await samples.insert({ id: 1, [property]: stored })
    await samples.insert({ id: 2 })
    const found = async (where: object) => (await samples.findBy(where)).map(({ id }) => id)
    expect(await found({ [property]: searched })).toEqual(isEqual ? [1] : [])
    expect(await found({ [property]: In([searched]) })).toEqual(isEqual ? [1] : [])
    expect(await found({ [property]: Not(In([searched])) })).toEqual(isEqual ? [] : [1])
    const builder = samples.createQueryBuilder('s').where(`s.${property} = :v`, { v: searched })
    expect((await builder.getMany()).map(({ id }) => id)).toEqual(isEqual ? [1] : [])
  })
})

@Entity()
class Shared {
  @PrimaryColumn('integer') id!: number
  @KmsEncrypted({ type: 'number', search: true }) size!: number
  @KmsEncrypted({ type: 'boolean', search: true }) active!: boolean
  @KmsEncrypted({ type: 'date', search: true }) since!: Date
  @KmsEncrypted({ type: 'number', search: true }) weight!: number
  @KmsEncrypted({ type: 'json', search: true }) state!: unknown
}

/** Columns of the same names, and one of text that is compared with a number. */
@Entity()
class Plain {
  @PrimaryColumn('integer') id!: number
  @Column({ type: 'varchar', length: 10 }) size!: string
  @Column({ type: 'boolean' }) active!: boolean
  @Column({ type: 'boolean', default: true }) state!: boolean
}

describeDatabases('Values of conditions that are written as text', (db) => {
  const log = new StatementLog()
  const since = new Date('2024-02-29T12:34:56.789Z')
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Shared, Plain], withIndexKey, { logger: log, logging: ['query'] })
    await app.dataSource
      .getRepository(Shared)
      .insert({ id: 1, size: 42, active: true, since, weight: -1.5, state: true })
    await app.dataSource.getRepository(Plain).insert({ id: 1, size: '42', active: true })
  })
  afterAll(() => app.stop())

  it.each<[string, object, number]>([
    ['s.active = :v', { v: true }, 1],
    ['s.active <> :v', { v: true }, 0],
    ['s.active = :v', { v: false }, 0],
    ['s.since = :v', { v: since }, 1],
    ['s.weight = :v', { v: -1.5 }, 1],
    ['s.weight = :v AND s.id = :v', { v: 1 }, 0],
    ['s.weight = :v AND s.id = :id', { v: -1.5, id: 1 }, 1],
    ['s.weight IN (:...v)', { v: [1, -1.5] }, 1],
    ['NOT (s.weight = :v)', { v: 2 }, 1],
    ['s.state = :v', { v: true }, 1],
    ['s.state = :v', { v: false }, 0],
    ['s.state <> :v', { v: false }, 1],
    ['s.state = :v AND s.active = :v', { v: true }, 1],
  ])('%s with %j finds %i rows', async (where, parameters, found) => {
    const rows = app.dataSource.getRepository(Shared).createQueryBuilder('s').where(where, parameters)
    expect(await rows.getCount()).toBe(found)
    const queryRunner = app.dataSource.createQueryRunner()
    await queryRunner.startTransaction()
    await queryRunner.manager
      .createQueryBuilder()
      .delete()
      .from(Shared)
      .where(where.replaceAll('s.', ''), parameters)
      .execute()
    expect(await queryRunner.manager.count(Shared)).toBe(1 - found)
    await queryRunner.rollbackTransaction()
    await queryRunner.release()
  })

  it('changes nothing where a column without index has the name', async () => {
    const plain = (where: string, v: unknown) =>
      app.dataSource.getRepository(Plain).createQueryBuilder('p').where(where, { v }).getCount()
    expect(await plain('p.active = :v', true)).toBe(1)
    if (db().name === 'postgres') return
    log.reset()
    expect(await plain('p.size = :v', 42)).toBe(1)
    const isInText = db().name === 'sqlite'
    expect(log.sent.at(-1)?.[1] ?? []).toEqual(isInText ? [] : [42])
    const searched = app.dataSource.getRepository(Shared).createQueryBuilder('s')
    const counted = searched.where('s.size = :v', { v: 42 }).getCount()
    // Nobody can tell a number in the text from one that the application wrote there.
    if (isInText) await expect(counted).rejects.toMatchObject({ code: 'SEARCH_REFUSED' })
    else expect(await counted).toBe(1)
    expect(await app.dataSource.getRepository(Shared).countBy({ size: 42 })).toBe(1)
  })

  it('tells a boolean of JSON from a number where a column without index has the name', async () => {
    const { manager } = app.dataSource
    const states = [true, 1, since.toISOString()]
    await manager.insert(
      Shared,
      states.map((state, at) => ({ id: at + 10, size: 0, active: false, since, weight: 0, state })),
    )
    await manager.insert(Plain, { id: 10, size: '', active: false, state: false })
    const found = async (target: typeof Shared | typeof Plain, where: string, parameters: object) => {
      const rows = await manager
        .createQueryBuilder(target, 'x')
        .where(where, parameters)
        .andWhere('x.id >= 10')
        .getMany()
      return rows.map(({ id }) => id)
    }
    const v = db().name === 'mariadb' ? 1 : true
    expect(await found(Shared, 'x.state = :v', { v: true })).toEqual([10])
    expect(await found(Shared, 'x.state IN (:...v)', { v: [1] })).toEqual([11])
    // As everywhere: JSON holds no date.
    await expect(found(Shared, 'x.state = :v', { v: since })).rejects.toMatchObject({ code: 'INVALID_VALUE' })
    expect(await found(Plain, 'x.state = :v', { v })).toEqual([])
    expect(await found(Plain, 'x.state <> :v', { v })).toEqual([10])
    const joined = manager
      .createQueryBuilder(Shared, 's')
      .innerJoin(Plain, 'p', 'p.state = :no')
      .where('s.state = :yes AND s.id >= 10', { no: false, yes: true })
    expect((await joined.getMany()).map(({ id }) => id)).toEqual([10])
    // What the application sends itself, it gets as the driver would have sent it.
    const [sql, parameters] = manager
      .createQueryBuilder(Plain, 'p')
      .where('p.state = :v', { v: false })
      .getQueryAndParameters()
    expect(await app.dataSource.query(sql, parameters)).toHaveLength(1)
    await manager.delete(Shared, [10, 11, 12])
    await manager.delete(Plain, [10])
  })
})
