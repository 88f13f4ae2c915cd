import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import {
  Column,
  type ColumnOptions,
  DataSource,
  type DataSourceOptions,
  Entity,
  type EntityTarget,
  In,
  Index,
  type ObjectLiteral,
  PrimaryColumn,
} from 'typeorm'
import { KmsEncrypted, kmsEncryption } from 'typeorm-kms-encrypted'
import { withIndexKey } from '../../test/support/encryption'
import { type Bench } from '../support/bench'
import { compare } from '../support/comparison'
import { type Place } from '../support/databases'
import { type BenchKms, KEY } from '../support/kms'
import { type Run } from '../support/rounds'

/** Rows of the table that is searched; the aims are for 10,000 and 1,000,000. */
const ROWS = Number(process.env['BENCH_SEARCH_ROWS'] ?? 10_000)
const NEW_ROWS = 2_000
const SEARCHES = 500
const MANY = 1_000

type Side = Omit<Run, 'name'>

@Entity()
class SearchedUser {
  @PrimaryColumn('integer') id!: number
  @Index() @Column('varchar', { length: 60 }) name!: string
  @KmsEncrypted({ search: true }) email!: string
}

@Entity()
class UnsearchedUser {
  @PrimaryColumn('integer') id!: number
  @Index() @Column('varchar', { length: 60 }) name!: string
  @KmsEncrypted() email!: string
}

/** What an application does by hand: a hash of its own beside the value, in a column with an index. */
function handIndexed(type: DataSourceOptions['type']) {
  const bytes = new Map<string, ColumnOptions>([
    ['better-sqlite3', { type: 'blob' }],
    ['postgres', { type: 'bytea' }],
  ])
  @Entity()
  class HandIndexedUser {
    @PrimaryColumn('integer') id!: number
    @Index() @Column('varchar', { length: 60 }) name!: string
    @KmsEncrypted() email!: string
    @Index() @Column({ ...(bytes.get(type) ?? { type: 'binary', length: 16 }), select: false }) hash!: Buffer
  }
  return HandIndexedUser
}

@Entity()
class Untouched {
  @PrimaryColumn('integer') id!: number
  @Index() @Column('varchar', { length: 60 }) name!: string
}

/** Searches by an encrypted value, against the same by a plain indexed column of the same application. */
export async function searchRows({ kms, allPlaces, report, quick }: Bench): Promise<void> {
  const rounds = quick ? 7 : 15
  for (const place of allPlaces) {
    const { ours, plain, close } = await open(place, kms)
    const searched = ours.getRepository(SearchedUser)
    for (let first = 0; first < ROWS; first += 2_000)
      await searched.insert(rows(first, Math.min(2_000, ROWS - first)))
    const find = (property: 'name' | 'email') => async () => {
      for (let at = 0; at < SEARCHES; at++)
        await searched.findOneBy({ [property]: valueOf((at * 7_919) % ROWS) })
    }
    const many = (property: 'name' | 'email') => () =>
      searched.findBy({ [property]: In(Array.from({ length: MANY }, (_, at) => valueOf((at * 13) % ROWS))) })
    const untouched = (dataSource: DataSource) => async () => {
      for (let at = 0; at < SEARCHES; at++)
        await dataSource.getRepository(Untouched).findOneBy({ name: valueOf(at) })
    }
    const save = (entity: EntityTarget<ObjectLiteral>, made = () => rows(ROWS, NEW_ROWS)) => ({
      prepare: () =>
        ours.getRepository(entity).createQueryBuilder().delete().where('id >= :id', { id: ROWS }).execute(),
      run: () => ours.getRepository(entity).save(made(), { chunk: 500 }),
    })
    const key = createSecretKey(randomBytes(32))
    const hashed = () =>
      rows(ROWS, NEW_ROWS).map((row) => ({
        ...row,
        hash: createHmac('sha256', key).update(row.email).digest().subarray(0, 16),
      }))
    await plain.getRepository(Untouched).insert(rows(0, SEARCHES).map(({ id, name }) => ({ id, name })))
    const on = place.name
    const size = `${ROWS.toLocaleString('en')} rows`
    const against = (measure: string, aim: number, base: Side, own: Side) =>
      compare(report, { measure: `${measure}, ${size}`, on, aim }, { base, own, rounds })
    await against(
      `${SEARCHES} findOneBy, by value against by plain column`,
      1.2,
      { run: find('name') },
      { run: find('email') },
    )
    await against(
      `In of ${MANY}, by value against by plain column`,
      1.5,
      { run: many('name') },
      { run: many('email') },
    )
    await against(
      `save of ${NEW_ROWS} new rows, with an index against without`,
      1.15,
      save(UnsearchedUser),
      save(SearchedUser),
    )
    await against(
      `the same, against a hash that the application makes and stores`,
      1.05,
      save('HandIndexedUser', hashed),
      save(SearchedUser),
    )
    await against(
      `${SEARCHES} statements that touch no encrypted column, against plain TypeORM`,
      1.02,
      { run: untouched(plain) },
      { run: untouched(ours) },
    )
    await close()
  }
}

function rows(first: number, count: number) {
  return Array.from({ length: count }, (_, at) => ({
    id: first + at,
    name: valueOf(first + at),
    email: valueOf(first + at),
  }))
}

function valueOf(id: number): string {
  return `user-${id}@example.org`
}

async function open(place: Place, kms: BenchKms) {
  const { indexKey } = await withIndexKey(kms, KEY)
  const encryption = kmsEncryption({ keyId: KEY, client: kms.client, indexKey })
  const entities = [SearchedUser, UnsearchedUser, handIndexed(place.options.type), Untouched]
  const given = { ...place.options, entities, synchronize: true } as DataSourceOptions
  const ours = await new DataSource(encryption.configure(given)).initialize()
  const same = place.options.type !== 'better-sqlite3'
  const others = { ...place.options, entities: [Untouched], synchronize: !same } as DataSourceOptions
  const plain = await new DataSource(others).initialize()
  if (!same)
    await ours.getRepository(Untouched).insert(rows(0, SEARCHES).map(({ id, name }) => ({ id, name })))
  return {
    ours,
    plain,
    close: async () => {
      await ours.dropDatabase()
      await ours.destroy()
      await plain.destroy()
      encryption.close()
    },
  }
}
