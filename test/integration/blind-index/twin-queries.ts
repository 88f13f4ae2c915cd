import fc from 'fast-check'
import {
  And,
  Brackets,
  type DataSource,
  Equal,
  type EntityManager,
  type FindOptionsWhere,
  In,
  IsNull,
  Not,
  NotBrackets,
  Or,
  type WhereExpressionBuilder,
} from 'typeorm'
import { type Entities, type Person } from './twins'

/** One of the two applications. */
export interface World {
  dataSource: DataSource
  entities: Entities
}

/** What is done in both, and gives the same in both. */
export interface Step {
  readonly text: string
  run(manager: EntityManager, entities: Entities): Promise<unknown>
}

const TEXTS = ['a', 'A', 'á', 'a\u0301', ' a', 'a ', '', 'b', 'ß', 'SS', '🔑', "o'x", 'x'.repeat(200)]
const NUMBERS = [0, 1, 1.5, -1, 1e21, 42]
/** Lower-case already: the plain twin does not know what is compared. */
const LOGINS = ['ada', 'bob', 'cyd']

const text = fc.constantFrom(...TEXTS)
const number = fc.constantFrom(...NUMBERS)
const login = fc.constantFrom(...LOGINS)
const id = fc.integer({ min: 1, max: 25 })

type Condition = (() => unknown) & { text: string }

/** Operators are made for each use: TypeORM changes them. */
function condition(make: () => unknown, what: string, values: unknown): Condition {
  return Object.assign(make, { text: `${what} ${JSON.stringify(values)}` })
}

function exact<T>(value: fc.Arbitrary<T>): fc.Arbitrary<Condition> {
  const list = fc.array(value, { maxLength: 4 })
  const pair = fc.tuple(value, value)
  return fc.oneof(
    value.map((v) => condition(() => v, '', v)),
    value.map((v) => condition(() => Equal(v), 'Equal', v)),
    value.map((v) => condition(() => Not(v), 'Not', v)),
    list.map((v) => condition(() => In(v), 'In', v)),
    list.map((v) => condition(() => Not(In(v)), 'Not In', v)),
    pair.map(([a, b]) => condition(() => Or(Equal(a), Equal(b)), 'Or', [a, b])),
    pair.map(([a, b]) => condition(() => And(Not(a), Not(b)), 'And Not', [a, b])),
    fc.constant(condition(() => IsNull(), 'IsNull', '')),
    fc.constant(condition(() => Not(IsNull()), 'Not IsNull', '')),
  )
}

const lossy = fc.oneof(
  login.map((v) => condition(() => v, '', v)),
  fc.array(login, { minLength: 1, maxLength: 3 }).map((v) => condition(() => In(v), 'In', v)),
)

const where = fc
  .record(
    {
      email: exact(text),
      pin: exact(number),
      login: lossy,
      city: exact(text),
      name: fc.constantFrom('n0', 'n1').map((v) => condition(() => v, '', v)),
    },
    { requiredKeys: [] },
  )
  .map((parts) => {
    const { city, ...others } = parts
    const make = (): FindOptionsWhere<Person> => ({
      ...Object.fromEntries(Object.entries(others).map(([name, each]) => [name, each()])),
      ...(city ? { address: { city: city() as string } } : {}),
    })
    return condition(
      make,
      '',
      Object.entries(parts).map(([name, each]) => `${name}: ${each.text}`),
    )
  })

const wheres = fc.oneof(
  where,
  fc.array(where, { minLength: 1, maxLength: 3 }).map((all) =>
    condition(
      () => all.map((each) => each()),
      'any of',
      all.map((each) => each.text),
    ),
  ),
)

/** A condition written as text, with its parameters. */
interface Written {
  add(builder: WhereExpressionBuilder, how: 'andWhere' | 'orWhere', path: readonly number[]): void
  text: string
}

function written(sql: (name: string) => string, value: unknown): Written {
  return {
    add(builder, how, path) {
      const name = `p${path.join('_')}`
      builder[how](sql(name), { [name]: value })
    },
    text: `${sql('v')} ${JSON.stringify(value)}`,
  }
}

const columns = fc.constantFrom('p.email', 'p.address.city')

const leaf: fc.Arbitrary<Written> = fc.oneof(
  fc
    .tuple(columns, fc.constantFrom('=', '<>', '!='), text)
    .map(([column, operator, value]) => written((name) => `${column} ${operator} :${name}`, value)),
  fc
    .tuple(columns, fc.constantFrom('IN', 'NOT IN'), fc.array(text, { minLength: 1, maxLength: 3 }))
    .map(([column, operator, value]) => written((name) => `${column} ${operator} (:...${name})`, value)),
  fc.tuple(columns, text).map(([column, value]) => written((name) => `:${name} = ${column}`, value)),
  fc.tuple(columns, text).map(([column, value]) => written((name) => `NOT (${column} = :${name})`, value)),
  columns.map((column) => written(() => `${column} IS NULL`, 0)),
  login.map((value) => written((name) => `p.login = :${name}`, value)),
  id.map((value) => written((name) => `p.id <= :${name}`, value)),
)

const tree: fc.Arbitrary<Written> = fc.letrec<{ tree: Written }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', maxDepth: 2 },
    leaf,
    fc
      .tuple(
        fc.constantFrom('andWhere' as const, 'orWhere' as const),
        fc.array(tie('tree'), { minLength: 1, maxLength: 3 }),
      )
      .map(([connective, all]): Written => ({
        add: (builder, how, path) =>
          builder[how](
            new Brackets((inner) => {
              for (const [at, each] of all.entries()) each.add(inner, connective, [...path, at])
            }),
          ),
        text: `(${all.map((each) => each.text).join(connective === 'andWhere' ? ' AND ' : ' OR ')})`,
      })),
  ),
})).tree

/** NOT around what an exact index answers. */
const negated = fc.tuple(columns, text).map(([column, value]): Written => ({
  add: (builder, how, path) =>
    builder[how](
      new NotBrackets((inner) =>
        inner.where(`${column} = :n${path.join('_')}`, { [`n${path.join('_')}`]: value }),
      ),
    ),
  text: `NOT [${column} = ${value}]`,
}))

const ids = (rows: readonly { id: number }[]): number[] => rows.map((row) => row.id)
const order = { id: 'ASC' } as const

function step(text: string, run: Step['run']): Step {
  return { text, run }
}

const queries: fc.Arbitrary<Step>[] = [
  wheres.map((w) =>
    step(`find ${w.text}`, async (manager, { Person }) =>
      ids(await manager.find(Person, { where: w() as never, order })),
    ),
  ),
  fc.tuple(wheres, fc.nat(4), fc.integer({ min: 1, max: 4 })).map(([w, skip, take]) =>
    step(`page ${skip} ${take} ${w.text}`, async (manager, { Person }) => {
      const [page, total] = await manager.findAndCount(Person, { where: w() as never, order, skip, take })
      return [ids(page), total]
    }),
  ),
  wheres.map((w) =>
    step(`count ${w.text}`, async (manager, { Person }) => [
      await manager.countBy(Person, w() as never),
      await manager.existsBy(Person, w() as never),
      (await manager.findOne(Person, { where: w() as never, order }))?.id,
    ]),
  ),
  fc
    .tuple(text, number)
    .map(([email, pin]) =>
      step(`pair ${email} ${pin}`, async (manager, { Person, pair }) => [
        ids(await manager.find(Person, { where: pair(email, pin), order })),
        await manager.countBy(Person, pair(email, pin)),
      ]),
    ),
  fc.tuple(wheres, fc.nat(3), fc.integer({ min: 1, max: 3 })).map(([w, skip, take]) =>
    step(`letters ${skip} ${take} ${w.text}`, async (manager, { Letter }) => {
      const where = w()
      const of = (person: unknown): object => ({ person })
      const [page, total] = await manager.findAndCount(Letter, {
        where: (Array.isArray(where) ? where.map(of) : of(where)) as never,
        relations: { person: true },
        order,
        skip,
        take,
      })
      return [page.map((each) => [each.id, each.text, each.person.id]), total]
    }),
  ),
  fc.oneof(tree, negated).map((condition) =>
    step(`builder ${condition.text}`, async (manager, { Person }) => {
      const builder = manager.createQueryBuilder(Person, 'p')
      condition.add(builder, 'andWhere', [0])
      const [found, total] = await builder.orderBy('p.id').getManyAndCount()
      return [
        found.map(({ id: each, email, pin, login: of, address }) => [each, email, pin, of, address.city]),
        total,
      ]
    }),
  ),
  fc.tuple(tree, text).map(([condition, value]) =>
    step(`join ${value} ${condition.text}`, async (manager, { Letter }) => {
      const builder = manager
        .createQueryBuilder(Letter, 'l')
        .innerJoin('l.person', 'p', 'p.email = :joined', { joined: value })
      condition.add(builder, 'andWhere', [0])
      return ids(await builder.orderBy('l.id').getMany())
    }),
  ),
]

const person = fc.record({
  name: fc.constantFrom('n0', 'n1'),
  email: fc.option(text),
  pin: fc.option(number),
  login,
  address: fc.record({ city: text }),
})

const writes: fc.Arbitrary<Step>[] = [
  fc.tuple(id, person).map(([of, row]) =>
    step(`save ${of} ${JSON.stringify(row)}`, async (manager, { Person }) => {
      await manager.save(Person, { id: of, ...row })
    }),
  ),
  fc.tuple(wheres, text).map(([w, value]) =>
    step(`update ${w.text} to ${value}`, async (manager, { Person }) => {
      const one = w()
      await manager.update(Person, (Array.isArray(one) ? one[0] : one) as never, { email: value })
    }),
  ),
  fc.tuple(id, fc.option(number)).map(([of, pin]) =>
    step(`pin ${of} ${String(pin)}`, async (manager, { Person }) => {
      await manager.update(Person, { id: of }, { pin })
    }),
  ),
  fc.tuple(text, fc.array(text, { minLength: 1, maxLength: 2 })).map(([city, emails]) =>
    step(`move ${emails.join()} to ${city}`, async (manager, { Person }) => {
      await manager
        .createQueryBuilder()
        .update(Person)
        .set({ address: { city } })
        .where('email IN (:...emails)', { emails })
        .execute()
    }),
  ),
  fc.tuple(id, id, text).map(([letter, of, value]) =>
    step(`letter ${letter} of ${of} ${value}`, async (manager, { Person, Letter }) => {
      const found = await manager.findOneBy(Person, { id: of })
      if (found) await manager.save(Letter, { id: letter, text: value, person: found })
    }),
  ),
  text.map((value) =>
    step(`delete letters ${value}`, async (manager, { Letter }) => {
      await manager.delete(Letter, { text: value })
    }),
  ),
]

const back = new Error('back')

/** Some steps in a transaction that is rolled back, or kept. */
const transaction = fc
  .tuple(fc.boolean(), fc.array(fc.oneof(...writes, ...queries), { minLength: 1, maxLength: 4 }))
  .map(([isKept, steps]) =>
    step(
      `transaction ${isKept} [${steps.map((each) => each.text).join('; ')}]`,
      async (manager, entities) => {
        const results: unknown[] = []
        await manager
          .transaction(async (inner) => {
            for (const each of steps) results.push(await each.run(inner, entities))
            if (!isKept) throw back
          })
          .catch((error: unknown) => {
            if (error !== back) throw error
          })
        return results
      },
    ),
  )

/** The rows that are there at first, the same for the same seed. */
export function firstRows(seed: number): { people: object[]; letters: object[] } {
  const people = fc.sample(person, { seed, numRuns: 20 }).map((row, at) => ({ id: at + 1, ...row }))
  const letters = fc.sample(text, { seed, numRuns: 20 }).map((value, at) => ({
    id: at + 1,
    text: value,
    person: { id: (at % 10) + 1 },
  }))
  return { people, letters }
}

/** Mostly queries, with writes in between. */
export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.oneof(...queries) },
  { weight: 4, arbitrary: fc.oneof(...writes) },
  { weight: 1, arbitrary: transaction },
)
