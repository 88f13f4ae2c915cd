import { Entity, In, Not, PrimaryColumn, type Repository } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

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
    if (db().name === 'sqlite' && typeof searched !== 'string') return
    expect((await builder.getMany()).map(({ id }) => id)).toEqual(isEqual ? [1] : [])
  })
})
