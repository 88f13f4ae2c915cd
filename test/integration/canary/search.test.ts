import {
  EntitySchema,
  Equal,
  In,
  Like,
  type ObjectLiteral,
  Or,
  Not,
  type SelectQueryBuilder,
  type Repository,
} from 'typeorm'
import { Indexed, KmsEncryptionError, kmsEncryptedColumn } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication, withIndexKey } from '../../support/encryption'
import { Watch } from './watch'

interface Person {
  id: number
  tenant: number
  email: string
  login: string
  town: string
  last: string
  first: string
  phone: string
  copy: string | null
  visits?: Visit[]
}

interface Visit {
  id: number
  person?: Person
}

/** Every kind of blind index, declared in a schema, with what else a column can be declared with. */
const PersonSchema = new EntitySchema<Person>({
  name: 'Person',
  columns: {
    id: { type: 'int', primary: true },
    tenant: { type: 'int' },
    email: kmsEncryptedColumn({ type: 'string', search: true, unique: true, boundTo: { row: ['id'] } }),
    login: kmsEncryptedColumn({
      type: 'string',
      redact: true,
      search: [
        { normalize: (login: string) => login.trim().toLowerCase() },
        { name: 'tail', from: (login: string) => login.slice(-40) },
      ],
    }),
    town: kmsEncryptedColumn({ type: 'string', storage: 'text', search: { bits: 4 } }),
    last: kmsEncryptedColumn({ type: 'string', search: { name: 'both', with: ['first'] } }),
    first: kmsEncryptedColumn({ type: 'string' }),
    phone: kmsEncryptedColumn({ type: 'string', keyPer: ['tenant'], search: true }),
    copy: { type: 'text', nullable: true },
  },
  relations: { visits: { type: 'one-to-many', target: 'Visit', inverseSide: 'person' } },
})
const VisitSchema = new EntitySchema<Visit>({
  name: 'Visit',
  columns: { id: { type: 'int', primary: true } },
  relations: { person: { type: 'many-to-one', target: 'Person', inverseSide: 'visits' } },
})

interface Act {
  people: Repository<Person>
  app: TestApplication
  /** A value of the person, which the marker is in. */
  person: Person
  other: (property: keyof Person) => string
}

type Path = readonly [name: string, run: (act: Act) => Promise<unknown>, refused?: string | true]

const byText = ({ people }: Act, where: string, parameters: ObjectLiteral) =>
  people.createQueryBuilder('p').where(where, parameters)

const PATHS: readonly Path[] = [
  ['find options', ({ people, person: { email, town } }) => people.find({ where: { email, town } })],
  ['a list of alternatives', ({ people, person: { email, login } }) => people.findBy([{ email }, { login }])],
  [
    'operators',
    ({ people, person: { email }, other }) =>
      people.findBy({ email: Or(Equal(email), In([other('email'), email])), id: Not(0) }),
  ],
  ['findOneOrFail', ({ people, person: { email } }) => people.findOneOrFail({ where: { email } })],
  ['nothing found', ({ people, other }) => people.findOneByOrFail({ email: other('email') }), true],
  [
    'nothing found by few bits',
    ({ people, other }) => people.findOneOrFail({ where: { town: other('town') } }),
    true,
  ],
  [
    'count, exists, pages',
    async ({ people, person: { email, town } }) => [
      await people.countBy({ town }),
      await people.existsBy({ email }),
      await people.findAndCount({ where: { town }, skip: 0, take: 1 }),
    ],
  ],
  ['text', (act) => byText(act, 'p.email = :v', { v: act.person.email }).getMany()],
  ['text with a list', (act) => byText(act, 'p.email IN (:...v)', { v: [act.person.email] }).getOne()],
  ['text with few bits', (act) => byText(act, 'p.town = :v', { v: act.person.town }).getMany()],
  [
    'text with several columns',
    (act) => byText(act, 'p.last = :last AND p.first = :first', act.person).getMany(),
  ],
  ['unequal, as text', (act) => byText(act, 'NOT (p.email = :v)', { v: act.person.email }).getRawMany()],
  [
    'an object in a builder',
    (act) => act.people.createQueryBuilder('p').where({ town: act.person.town }).getMany(),
  ],
  ['a key per tenant', ({ people, person: { tenant, phone } }) => people.findBy({ tenant, phone })],
  [
    'named indexes',
    ({ people, person: { login, last, first } }) =>
      people.findBy({ login: Indexed('tail', login.slice(-40)), last: Indexed('both', { last, first }) }),
  ],
  [
    'cached results, twice',
    async (act) => {
      const { people, person } = act
      const { email, town } = person
      for (let round = 0; round < 2; round++) {
        await people.find({ where: { email }, cache: true })
        await people.find({ where: { town }, cache: 60_000 })
        await byText(act, 'p.last = :last AND p.first = :first', person).cache(true).getMany()
      }
    },
  ],
  [
    'ids and numbers of related rows',
    ({ people, person: { email } }) => {
      const found = people.createQueryBuilder('p').where('p.email = :email', { email })
      const ofPerson = (visits: SelectQueryBuilder<ObjectLiteral>) =>
        visits.innerJoin('v.person', 'q').andWhere('q.email = :email', { email })
      found.loadRelationIdAndMap('p.ids', 'p.visits', 'v', ofPerson)
      // TypeORM 1.x has it no more.
      const counting = found as unknown as { loadRelationCountAndMap?: typeof found.loadRelationIdAndMap }
      counting.loadRelationCountAndMap?.('p.many', 'p.visits', 'v', ofPerson)
      return found.getMany()
    },
  ],
  [
    'joins',
    ({ app: { dataSource }, person: { town, email } }) =>
      dataSource
        .getRepository(VisitSchema)
        .find({ relations: { person: true }, where: { person: { town, email } } }),
  ],
  [
    'criteria of update and delete',
    async ({ people, person, other }) => {
      await people.update({ email: person.email }, { copy: 'a copy' })
      await people.update({ town: person.town }, { copy: 'a copy' })
      await people.delete({ email: other('email') })
      await people.delete({ last: Indexed('both', { last: other('last'), first: person.first }) })
    },
  ],
  [
    'a part of an index over several columns',
    ({ people, person: { id }, other }) => people.update({ id }, { first: other('first') }),
  ],
  [
    'upsert',
    ({ people, person, other }) => people.upsert({ ...person, town: other('town') }, ['id']),
    'ROW_UNKNOWN',
  ],
  [
    'hand-written SQL',
    ({ app, person: { town, email } }) =>
      Promise.all([
        app.encryption.indexOf(PersonSchema, 'town', town),
        app.encryption.indexOf(PersonSchema, 'email', email),
      ]),
  ],
  ['a value that is there', ({ people, person }) => people.insert({ ...person, id: 1_000 }), true],
  ['a pattern', ({ people, person: { email } }) => people.findBy({ email: Like(email) }), 'SEARCH_REFUSED'],
  ['order', (act) => byText(act, 'p.email > :v', { v: act.person.email }).getMany(), 'SEARCH_REFUSED'],
  ['a column without index', ({ people, person: { first } }) => people.findBy({ first }), 'SEARCH_REFUSED'],
  [
    'a tenant that is not said',
    ({ people, person: { phone } }) => people.findBy({ phone }),
    'SEARCH_REFUSED',
  ],
  [
    'some of several columns',
    (act) => byText(act, 'p.last = :v', { v: act.person.last }).getMany(),
    'SEARCH_REFUSED',
  ],
  [
    'a value of another type',
    ({ people, person: { email } }) => people.findBy({ email: [email] as never }),
    true,
  ],
  [
    'a table that is not there',
    (act) => byText(act, 'p.email = :v', { v: act.person.email }).from('nowhere', 'x').getMany(),
    true,
  ],
  [
    'a transaction that is lost',
    ({ app: { dataSource }, person: { email, town } }) =>
      dataSource.transaction(async (manager) => {
        await manager.findBy(PersonSchema, { email, town })
        await manager.query('SELECT nothing FROM nowhere')
      }),
    true,
  ],
]

describeDatabases('Nothing that is searched leaves the application', (db) => {
  let watch: Watch
  let app: TestApplication
  let people: Repository<Person>
  let number = 0

  beforeAll(async () => {
    watch = await Watch.over(db())
    app = await startApplication(db(), [PersonSchema, VisitSchema], withIndexKey, {
      ...watch.options,
      logging: 'all',
      logger: watch.logger,
      maxQueryExecutionTime: 1,
      cache: true,
    } as object)
    app.dataSource.subscribers.push(watch.tracer)
    people = app.dataSource.getRepository(PersonSchema)
  })
  afterAll(async () => {
    await app.stop()
    await watch.relay?.close()
  })

  const secret = (what: string): string => `${watch.marker} ${what} ${++number}`

  test.each(PATHS.map((path) => [path[0], path] as const))('by %s', async (_name, [, run, refused]) => {
    await app.dataSource.getRepository(VisitSchema).createQueryBuilder().delete().execute()
    await people.createQueryBuilder().delete().execute()
    const person: Person = {
      id: ++number,
      tenant: 7,
      email: secret('email'),
      login: secret('login'),
      town: secret('town'),
      last: secret('last'),
      first: secret('first'),
      phone: secret('phone'),
      copy: null,
    }
    await people.insert(person)
    await app.dataSource.getRepository(VisitSchema).insert({ id: number, person })
    watch.passing()
    let failed: unknown
    const act = { people, app, person, other: (property: keyof Person) => secret(property) }
    await run(act).catch((error: unknown) => {
      watch.noteError(error)
      failed = error
    })
    if (refused === undefined && failed !== undefined) throw failed as Error
    if (refused === true) expect(failed).toBeDefined()
    if (typeof refused === 'string') {
      expect(failed).toBeInstanceOf(KmsEncryptionError)
      expect(failed).toHaveProperty('code', refused)
    }
    expect(leaks(watch.passing())).toEqual([])
  })

  test('by any of them, into a table, the cache or a log of the server', async () => {
    expect(leaks(await watch.lasting())).toEqual([])
  })

  test('through an object of the library', () => {
    expect(leaks(watch.objects(app.encryption, app.dataSource))).toEqual([])
  })
})

function leaks(findings: Record<string, string[]>): string[] {
  return Object.entries(findings).flatMap(([channel, forms]) => forms.map((form) => `${channel}: ${form}`))
}
