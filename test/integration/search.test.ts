import {
  And,
  Any,
  ArrayContains,
  Between,
  Brackets,
  Column,
  Entity,
  Equal,
  type FindOperator,
  type FindOptionsWhere,
  ILike,
  In,
  IsNull,
  JsonContains,
  LessThan,
  LessThanOrEqual,
  Like,
  MoreThan,
  MoreThanOrEqual,
  Not,
  NotBrackets,
  Or,
  PrimaryGeneratedColumn,
  Raw,
  type Repository,
  type SelectQueryBuilder,
} from 'typeorm'
import { KmsEncryptionError } from 'typeorm-kms-encrypted'
import { describeDatabases, typeormVersion } from '../support/databases'
import { startApplication, type TestApplication } from '../support/encryption'
import { Item, Vault } from './canary/entities'
import { everythingOfError } from './canary/watch'

/** Columns of the same names, and not encrypted. */
@Entity()
class Plain {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar', length: 50 }) text!: string
  @Column({ type: 'varchar', length: 50, default: '' }) note!: string
}

const SECRET = 'the-plaintext-that-is-searched-for'

type Search = (vaults: Repository<Vault>) => Promise<unknown>
type Condition = (query: SelectQueryBuilder<Vault>) => SelectQueryBuilder<Vault>

const isTypeorm1 = typeormVersion.startsWith('1.')

const operators: Record<string, () => FindOperator<unknown>> = {
  Equal: () => Equal(SECRET),
  Not: () => Not(SECRET),
  In: () => In([SECRET, 'another']),
  'In, of one': () => In([SECRET]),
  'Not(In)': () => Not(In([SECRET])),
  'Not(Not)': () => Not(Not(Equal(SECRET))),
  Like: () => Like(`%${SECRET}%`),
  ILike: () => ILike(SECRET),
  'Not(Like)': () => Not(Like(SECRET)),
  Between: () => Between('a', SECRET),
  LessThan: () => LessThan(SECRET),
  LessThanOrEqual: () => LessThanOrEqual(SECRET),
  MoreThan: () => MoreThan(SECRET),
  MoreThanOrEqual: () => MoreThanOrEqual(SECRET),
  Any: () => Any([SECRET]),
  ArrayContains: () => ArrayContains([SECRET]),
  JsonContains: () => JsonContains(SECRET as unknown as Record<string, string>),
  Or: () => Or(IsNull(), Equal(SECRET)),
  And: () => And(Not(IsNull()), Like(SECRET)),
  'Raw with a parameter': () => Raw((column) => `${column} = :value`, { value: SECRET }),
  'Raw inside of a function': () => Raw((column) => `LOWER(${column}) = :value`, { value: SECRET }),
  'Raw text': () => Raw(`'${SECRET}'`),
  'Not(Raw)': () => Not(Raw((column) => `${column} = :value`, { value: SECRET })),
}

const wheres: Record<string, FindOptionsWhere<Vault> | FindOptionsWhere<Vault>[]> = {
  'a value': { text: SECRET },
  'a value beside another condition': { label: 'a', text: SECRET },
  'an array of conditions': [{ label: 'a' }, { text: SECRET }],
  'an embedded entity': { profile: { token: SECRET } },
  'a relation': { items: { note: SECRET } },
  'an operator in a relation': { items: { note: Not(In([SECRET])) } },
  'a column without binary storage': { base64: SECRET },
  'a column in direct mode': { direct: SECRET },
  'a column of bytes': { bytes: Buffer.from(SECRET) },
  'a column of JSON': { json: { codes: [SECRET] } },
  'a column of numbers': { amount: MoreThan(5) },
  'a value of another type': { text: 5 as unknown as string },
  'a pattern for a number': { amount: Like('5%') as unknown as number },
}

const conditions: Record<string, Condition> = {
  'an object': (query) => query.where({ text: SECRET }),
  'an object with an operator': (query) => query.where({ text: In([SECRET]) }),
  'an embedded entity': (query) => query.where({ profile: { token: SECRET } }),
  andWhere: (query) => query.where('vault.id = 1').andWhere({ text: SECRET }),
  orWhere: (query) => query.where('vault.id = 1').orWhere({ text: Like(SECRET) }),
  Brackets: (query) => query.where(new Brackets((inner) => inner.where({ text: SECRET }).orWhere('1 = 1'))),
  NotBrackets: (query) => query.where(new NotBrackets((inner) => inner.where({ text: SECRET }))),
  'a text': (query) => query.where('vault.text = :value', { value: SECRET }),
  'a text with IN': (query) => query.where('vault.text IN (:...values)', { values: [SECRET] }),
  'a text the other way round': (query) => query.where(':value = vault.text', { value: SECRET }),
  'a text with a function': (query) => query.where('LOWER(vault.text) = :value', { value: SECRET }),
  'a text with a literal': (query) => query.where(`vault.text = '${SECRET}'`),
  'a text of an embedded entity': (query) =>
    query.where('vault.profile.token LIKE :value', { value: SECRET }),
  'a text of a renamed column': (query) => query.where('vault.bytes = :value', { value: SECRET }),
  'a text in Brackets': (query) =>
    query.where(new Brackets((inner) => inner.where('vault.text = :value', { value: SECRET }))),
  'a text without an alias': (query) => query.where('base64 = :value', { value: SECRET }),
  'a join': (query) => query.innerJoin('vault.items', 'item', 'item.note = :value', { value: SECRET }),
  HAVING: (query) =>
    query.select('vault.id').groupBy('vault.id').having('MAX(vault.text) = :value', { value: SECRET }),
  'a subquery': (query) =>
    query.where(
      `EXISTS ${query.subQuery().select('1').from(Item, 'item').where('item.note = :value').getQuery()}`,
      { value: SECRET },
    ),
  'a text with LENGTH': (query) => query.where('LENGTH(vault.text) > :n', { n: 20 }),
  'a subquery behind a list of columns': (query) =>
    query.where(
      `vault.id IN ${query.subQuery().select('item.vaultId').from(Item, 'item').where('item.note = :value').getQuery()}`,
      { value: SECRET },
    ),
}

const sorted: Record<string, Search> = {
  'find options': (vaults) => vaults.find({ order: { text: 'ASC' } }),
  'find options with an embedded entity': (vaults) => vaults.find({ order: { profile: { token: 'DESC' } } }),
  'find options with a relation': (vaults) =>
    vaults.find({ relations: { items: true }, order: { items: { note: 'ASC' } } }),
  'find options with a page of joined rows': (vaults) =>
    vaults.find({ relations: { items: true }, order: { text: 'ASC' }, take: 3 }),
  'a query builder': (vaults) => vaults.createQueryBuilder('vault').orderBy('vault.text').getMany(),
  'a query builder, second': (vaults) =>
    vaults.createQueryBuilder('vault').orderBy('vault.id').addOrderBy('vault.bytes').getRawMany(),
}

const aggregates: Record<string, Search> = {
  sum: (vaults) => vaults.sum('amount'),
  average: (vaults) => vaults.average('amount'),
  minimum: (vaults) => vaults.minimum('amount'),
  maximum: (vaults) => vaults.maximum('amount', { label: 'a' }),
  'MAX in a query builder': (vaults) =>
    vaults.createQueryBuilder('vault').select('MAX(vault.text)', 'max').getRawOne(),
}

const where = { text: SECRET }

const searches: Record<string, Search> = {
  ...named(
    'findBy with',
    operators,
    (operator) => (vaults) => vaults.findBy({ text: operator() as FindOperator<string> }),
  ),
  ...named(
    'criteria with',
    operators,
    (operator) => (vaults) =>
      vaults.update({ text: operator() as FindOperator<string> }, { label: 'changed' }),
  ),
  ...named('find where', wheres, (condition) => (vaults) => vaults.find({ where: condition })),
  ...named(
    'find a page where',
    wheres,
    (condition) => (vaults) => vaults.find({ where: condition, relations: { items: true }, take: 2 }),
  ),
  ...named(
    'query builder with',
    conditions,
    (condition) => (vaults) => condition(vaults.createQueryBuilder('vault')).getMany(),
  ),
  ...named('sorting by', sorted, (search) => search),
  ...named('aggregating by', aggregates, (search) => search),

  findOneBy: (vaults) => vaults.findOneBy(where),
  findOne: (vaults) => vaults.findOne({ where }),
  findOneByOrFail: (vaults) => vaults.findOneByOrFail(where),
  findOneOrFail: (vaults) => vaults.findOneOrFail({ where }),
  findAndCount: (vaults) => vaults.findAndCount({ where }),
  findAndCountBy: (vaults) => vaults.findAndCountBy(where),
  count: (vaults) => vaults.count({ where }),
  countBy: (vaults) => vaults.countBy(where),
  exists: (vaults) => vaults.exists({ where }),
  existsBy: (vaults) => vaults.existsBy(where),
  'find with the query result cache': (vaults) => vaults.find({ where, cache: true }),
  'find with relationLoadStrategy': (vaults) =>
    vaults.find({ where, relations: { items: true }, relationLoadStrategy: 'query' }),
  getCount: (vaults) => vaults.createQueryBuilder('vault').where(where).getCount(),
  getExists: (vaults) => vaults.createQueryBuilder('vault').where(where).getExists(),
  getRawMany: (vaults) => vaults.createQueryBuilder('vault').where(where).getRawMany(),
  getManyAndCount: (vaults) =>
    vaults.createQueryBuilder('vault').where('vault.text = :s', { s: SECRET }).getManyAndCount(),
  stream: (vaults) => vaults.createQueryBuilder('vault').where(where).stream(),
  'stream with a text': (vaults) =>
    vaults.createQueryBuilder('vault').where('vault.text = :s', { s: SECRET }).stream(),

  delete: (vaults) => vaults.delete(where),
  softDelete: (vaults) => vaults.softDelete(where),
  restore: (vaults) => vaults.restore(where),
  increment: (vaults) => vaults.increment(where, 'version', 1),
  decrement: (vaults) => vaults.decrement({ profile: { token: SECRET } }, 'version', 1),
  'update builder': (vaults) =>
    vaults.createQueryBuilder().update().set({ label: 'changed' }).where(where).execute(),
  'update builder with a text': (vaults) =>
    vaults
      .createQueryBuilder()
      .update()
      .set({ label: 'changed' })
      .where('text = :s', { s: SECRET })
      .execute(),
  'update builder of the encrypted column itself': (vaults) =>
    vaults.createQueryBuilder().update().set({ text: 'new' }).where('text = :s', { s: SECRET }).execute(),
  'delete builder': (vaults) => vaults.createQueryBuilder().delete().where(where).execute(),
  'delete builder with a text': (vaults) =>
    vaults.createQueryBuilder().delete().where('text = :s', { s: SECRET }).execute(),
  'soft delete builder': (vaults) => vaults.createQueryBuilder().softDelete().where(where).execute(),
  'upsert by an encrypted column': (vaults) => vaults.upsert({ label: 'b', text: SECRET }, ['text']),
  'upsert by an encrypted column among others': (vaults) =>
    vaults.upsert({ label: 'a', text: SECRET }, { conflictPaths: { label: true, base64: true } }),
}

function named<T>(
  title: string,
  table: Record<string, T>,
  search: (entry: T) => Search,
): Record<string, Search> {
  return Object.fromEntries(Object.entries(table).map(([name, entry]) => [`${title} ${name}`, search(entry)]))
}

describeDatabases('Searching an encrypted column', (db) => {
  const logged: string[] = []
  let application: TestApplication
  let vaults: Repository<Vault>

  beforeAll(async () => {
    const logger = {
      logQuery: (query: string) => void logged.push(query),
      logQueryError: () => void logged.push('error'),
      logQuerySlow: () => undefined,
      logSchemaBuild: () => undefined,
      logMigration: () => undefined,
      log: () => undefined,
    }
    application = await startApplication(db(), [Vault, Item, Plain], {}, { logging: 'all', logger } as object)
    vaults = application.dataSource.getRepository(Vault)
    await vaults.save({ label: 'a', text: SECRET, items: [{ note: SECRET }], profile: {} })
    await vaults.save({ label: 'b', text: 'another', base64: SECRET, profile: { token: SECRET } })
    await application.dataSource.getRepository(Plain).insert({ text: 'plain', note: 'plain' })
  })

  afterAll(() => application.stop())

  beforeEach(() => {
    logged.length = 0
  })

  describe('is refused before anything is sent or logged', () => {
    test.each(Object.entries(searches))('%s', async (_, search) => {
      const error = await search(vaults).then(
        (result) => new Error(`Not refused: ${JSON.stringify(result)}`),
        (reason: unknown) => reason,
      )
      if (!(error instanceof KmsEncryptionError)) throw error as Error
      expect(error.code).toBe('SEARCH_REFUSED')
      expect(error.entity).toMatch(/^(Vault|Item)$/)
      expect(error.property).toBeDefined()
      expect(error.message).toMatch(/Search by another|Sort by another|Load the values/)
      expect(everythingOfError(error)).not.toContain(SECRET)
      expect(logged.filter((query) => !/query-result-cache/.test(query))).toEqual([])
    })

    test('and changes no row', async () => {
      expect(await vaults.find({ order: { id: 'ASC' } })).toEqual([
        expect.objectContaining({ label: 'a', text: SECRET, version: 1 }),
        expect.objectContaining({ label: 'b', text: 'another', version: 1 }),
      ])
    })
  })

  describe('works where the ciphertext does not matter', () => {
    const labels = (found: Vault[]): string[] => found.map(({ label }) => label).sort()

    test.each<[string, (vaults: Repository<Vault>) => Promise<Vault[]>, string[]]>([
      ['IsNull', (all) => all.findBy({ base64: IsNull() }), ['a']],
      ['Not(IsNull)', (all) => all.findBy({ base64: Not(IsNull()) }), ['b']],
      ['Or(IsNull, Not(IsNull))', (all) => all.findBy({ base64: Or(IsNull(), Not(IsNull())) }), ['a', 'b']],
      ['IsNull in an embedded entity', (all) => all.findBy({ profile: { token: IsNull() } }), ['a']],
      ['Not(IsNull) in a relation', (all) => all.findBy({ items: { note: Not(IsNull()) } }), ['a']],
      ['IS NULL in a text', (all) => all.createQueryBuilder('v').where('v.base64 IS NULL').getMany(), ['a']],
      [
        'IS NOT NULL in a text',
        (all) => all.createQueryBuilder('v').where('v.id > 0 AND (v.base64 IS NOT NULL)').getMany(),
        ['b'],
      ],
      [
        'IsNull in an object',
        (all) => all.createQueryBuilder('v').where({ base64: IsNull() }).getMany(),
        ['a'],
      ],
      ['a condition on another column', (all) => all.findBy({ label: 'b' }), ['b']],
      [
        'a joined page',
        (all) => all.find({ relations: { items: true }, order: { label: 'ASC' }, take: 5 }),
        ['a', 'b'],
      ],
      [
        'COUNT and GROUP BY',
        (all) =>
          all
            .createQueryBuilder('v')
            .select(['v.id', 'v.label', 'v.text'])
            .groupBy('v.id')
            .addGroupBy('v.label')
            .addGroupBy('v.text')
            .having('COUNT(v.text) = 1')
            .orderBy('COUNT(v.text)')
            .getMany(),
        ['a', 'b'],
      ],
    ])('%s', async (_, search, expected) => {
      expect(labels(await search(vaults))).toEqual(expected)
    })

    test('criteria of update', async () => {
      const touched = await vaults.update({ base64: IsNull(), label: 'a' }, { label: 'a' })
      if (db().name !== 'sqlite') expect(touched.affected).toBe(1)
      await vaults.update({ label: 'a', text: Not(IsNull()) }, { version: 1 })
      expect(await vaults.countBy({ base64: Not(IsNull()) })).toBe(1)
    })

    test.each<[string, (all: Repository<Plain>) => Promise<unknown>]>([
      ['found', (all) => all.findOneByOrFail({ text: 'plain' })],
      ['sorted by', (all) => all.findOneOrFail({ where: { note: Like('pl%') }, order: { text: 'ASC' } })],
      [
        'found beside a join of the encrypted table',
        (all) =>
          all
            .createQueryBuilder('plain')
            .innerJoin(Vault, 'vault', 'vault.id > 0')
            .where('plain.text = :value', { value: 'plain' })
            .orderBy('plain.text')
            .getOneOrFail(),
      ],
      [
        'changed by',
        async (all) => {
          await all.update({ text: 'plain' }, { note: 'plain' })
          return all.findOneByOrFail({ text: 'plain' })
        },
      ],
      ...(isTypeorm1
        ? [
            [
              'copied from a select',
              async (all: Repository<Plain>) => {
                await all
                  .createQueryBuilder()
                  .insert()
                  .into(Plain, ['text', 'note'])
                  .valuesFromSelect((query) => query.select(['p.text', 'p.note']).from(Plain, 'p'))
                  .execute()
                return all.findOneByOrFail({ text: 'plain' })
              },
            ] as [string, (all: Repository<Plain>) => Promise<unknown>],
          ]
        : []),
    ])('a column of the same name that is not encrypted is %s', async (_, search) => {
      const plains = application.dataSource.getRepository(Plain)
      expect(await search(plains)).toMatchObject({ text: 'plain', note: 'plain' })
    })
  })
})
