import 'reflect-metadata'
import { type Readable } from 'node:stream'
import {
  AfterLoad,
  BeforeInsert,
  ChildEntity,
  Column,
  type DataSource,
  Entity,
  JoinTable,
  ManyToMany,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  TableInheritance,
} from 'typeorm'
import { isUndecryptable, KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases, hasStreams } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'
import { bindToRow } from '../../support/row-bound'
import { isCiphertext } from './support'

/** What listeners saw of the entities that were loaded. */
let loaded: unknown[] = []

@Entity()
class Account {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column({ type: 'varchar', length: 40 }) owner!: string
  @KmsEncrypted({ nullable: true, type: 'string' }) binary!: string | null
  @KmsEncrypted({ nullable: true, type: 'string', storage: 'text' }) text!: string | null
  @KmsEncrypted({ nullable: true, type: 'json', mode: 'direct' }) direct!: { pin: string } | null
  @KmsEncrypted({ nullable: true, type: 'string', mode: 'direct', storage: 'text' }) directText!:
    string | null
  @ManyToOne('Account', 'children', { nullable: true }) parent!: Account | null
  @OneToMany('Account', 'parent') children!: Account[]
  @ManyToMany('Account') @JoinTable() friends!: Account[]

  @AfterLoad() look() {
    loaded.push(this.binary, this.text, this.direct, this.directText)
  }
}

@Entity()
@TableInheritance({ column: { type: 'varchar', name: 'kind' } })
class Vehicle {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column({ type: 'varchar', length: 40 }) owner!: string
  @KmsEncrypted({ onUndecryptable: 'throw' }) plate!: string
}

@ChildEntity()
class Lorry extends Vehicle {
  @KmsEncrypted({ mode: 'direct', nullable: true, type: 'string' }) cargo!: string | null
}

/** Changes its value when it is inserted, after it was announced. */
@Entity()
class Wallet {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column({ type: 'varchar', length: 40 }) owner!: string
  @KmsEncrypted({ mode: 'direct' }) seed!: string

  @BeforeInsert() async fill() {
    await Promise.resolve()
    if (this.seed === 'first') this.seed = 'changed'
  }
}

const columns = ['binary', 'text', 'direct', 'directText'] as const
const values = (text: string) => ({ binary: text, text, direct: { pin: text }, directText: text })
const valuesOf = ({ binary, text, direct, directText }: Account) => ({ binary, text, direct, directText })
const account = (id: number, more: Partial<Account> = {}): Account =>
  Object.assign(new Account(), { id, owner: `owner ${id}`, ...values('same') }, more)

describeDatabases('values that are bound to their row', (db) => {
  let app: TestApplication
  let dataSource: DataSource

  /** Like a fresh process, bound to rows. */
  async function start(onUndecryptable: 'throw' | 'marker' = 'throw'): Promise<DataSource> {
    const fresh = await app.restart({ onUndecryptable })
    bind(fresh.dataSource)
    return fresh.dataSource
  }

  function bind(source: DataSource): void {
    for (const entity of [Account, Vehicle, Wallet]) bindToRow(source, entity, 'owner')
  }

  beforeAll(async () => {
    app = await startApplication(db(), [Account, Vehicle, Lorry, Wallet], {}, { cache: true })
  })
  beforeEach(async () => {
    loaded = []
    dataSource = await start()
  })
  afterEach(async () => {
    await dataSource.queryResultCache?.clear()
    for (const table of ['account_friends_account', 'account', 'vehicle', 'wallet']) {
      if (table === 'account')
        await db().rawQuery(`UPDATE ${db().quote('account')} SET ${db().quote('parentId')} = NULL`)
      await db().rawQuery(`DELETE FROM ${db().quote(table)}`)
    }
    await dataSource.destroy()
  })
  afterAll(() => app.stop())

  /** Sets a column of one row to what another has. */
  async function copy(table: string, column: string, from: number, to: number): Promise<void> {
    const [name, cell] = [db().quote(table), db().quote(column)]
    const [row] = await db().rawQuery(`SELECT ${cell} AS v FROM ${name} WHERE id = ?`, [from])
    await db().rawQuery(`UPDATE ${name} SET ${cell} = ? WHERE id = ?`, [row!['v'], to])
  }

  /** Lets two rows have what the other had. */
  async function swap(column: string, a: number, b: number): Promise<void> {
    const cell = db().quote(column)
    const read = async (id: number) =>
      (await db().rawQuery(`SELECT ${cell} AS v FROM ${db().quote('account')} WHERE id = ?`, [id]))[0]!['v']
    const [ofA, ofB] = [await read(a), await read(b)]
    const write = `UPDATE ${db().quote('account')} SET ${cell} = ? WHERE id = ?`
    await db().rawQuery(write, [ofB, a])
    await db().rawQuery(write, [ofA, b])
  }

  const accounts = (source = dataSource) => source.getRepository(Account)
  const ids = [1, 2, 3, 4, 5, 6]
  const insertAll = () => accounts().insert(ids.map((id) => account(id)))
  const readAll = (source = dataSource) => accounts(source).find({ order: { id: 'ASC' } })

  describe.each(['at hand', 'not at hand'])('with data keys %s', (keys) => {
    /** The DataSource that reads. */
    let reader: DataSource
    let marking: DataSource

    beforeEach(async () => {
      await insertAll()
      reader = keys === 'at hand' ? dataSource : await start()
      marking = await start('marker')
      if (keys === 'at hand') await readAll(marking)
    })
    afterEach(async () => {
      await marking.destroy()
      if (reader !== dataSource) await reader.destroy()
    })

    it('are read in their own rows, by listeners too', async () => {
      loaded = []
      const found = await readAll(reader)
      expect(found.map(valuesOf)).toEqual(ids.map(() => values('same')))
      expect(loaded).toEqual(ids.flatMap(() => Object.values(values('same'))))
    })

    it('are read without listeners', async () => {
      const found = await reader
        .createQueryBuilder(Account, 'a')
        .callListeners(false)
        .orderBy('a.id')
        .getMany()
      expect(found.map(valuesOf)).toEqual(ids.map(() => values('same')))
    })

    it.each(columns)('do not open where rows of equal plaintexts were swapped: %s', async (column) => {
      await swap(column, 2, 5)
      expect(await failure(readAll(reader))).toMatchObject({ entity: 'Account', property: column })
      const found = await readAll(marking)
      expect(found.map((row) => isUndecryptable(row[column]))).toEqual(ids.map((id) => id === 2 || id === 5))
    })

    it.each(columns)(
      'open in their own row and not in the one that they were copied to: %s',
      async (column) => {
        await copy('account', column, 3, 1)
        await copy('account', column, 3, 5)
        for (const order of ['ASC', 'DESC'] as const) {
          const found = await accounts(marking).find({ order: { id: order } })
          const broken = found.filter((row) => isUndecryptable(row[column])).map(({ id }) => id)
          expect(broken.sort()).toEqual([1, 5])
          expect(found.find(({ id }) => id === 3)?.[column]).toEqual(values('same')[column])
        }
      },
    )

    it.each(columns)('are told apart in queries at once: %s', async (column) => {
      await copy('account', column, 3, 1)
      const found = await Promise.all([1, 3, 1, 3, 2].map((id) => accounts(marking).findOneByOrFail({ id })))
      expect(found.map((row) => isUndecryptable(row[column]))).toEqual([true, false, true, false, false])
    })

    it.each(columns)(
      'are told apart in relations that are joined, and in those of a self-join: %s',
      async (column) => {
        await accounts().update({ id: 2 }, { parent: { id: 1 } })
        await accounts().update({ id: 3 }, { parent: { id: 1 } })
        const first = await accounts().findOneByOrFail({ id: 1 })
        first.friends = [{ id: 3 }, { id: 4 }] as Account[]
        await accounts().save({ id: 1, friends: first.friends })
        await copy('account', column, 1, 3)
        for (const relationLoadStrategy of ['join', 'query'] as const) {
          const found = await accounts(marking).findOneOrFail({
            where: { id: 1 },
            relations: { children: true, friends: true },
            relationLoadStrategy,
          })
          const broken = (rows: Account[]) =>
            rows.filter((row) => isUndecryptable(row[column])).map(({ id }) => id)
          expect([broken([found]), broken(found.children), broken(found.friends)]).toEqual([[], [3], [3]])
          expect(found.children.find(({ id }) => id === 2)?.[column]).toEqual(values('same')[column])
        }
      },
    )

    it('are told apart in pages of joined rows', async () => {
      await accounts().update({ id: 2 }, { parent: { id: 1 } })
      await accounts().update({ id: 4 }, { parent: { id: 3 } })
      await copy('account', 'text', 1, 4)
      const found = await accounts(marking).find({
        relations: { children: true },
        order: { id: 'ASC' },
        skip: 0,
        take: 3,
      })
      expect(found.map(({ id, text }) => [id, isUndecryptable(text)])).toEqual(
        [1, 2, 3].map((id) => [id, false]),
      )
      expect(
        found.flatMap(({ children }) => children).map(({ id, text }) => [id, isUndecryptable(text)]),
      ).toEqual([
        [2, false],
        [4, true],
      ])
    })

    it.each(columns)('are told apart in the query result cache: %s', async (column) => {
      await copy('account', column, 3, 1)
      const read = (source: DataSource) =>
        source
          .getRepository(Account)
          .find({ order: { id: 'ASC' }, cache: { id: 'all', milliseconds: 60_000 } })
      for (const source of [marking, marking, marking]) {
        const found = await read(source)
        expect(found.map((row) => isUndecryptable(row[column]))).toEqual(ids.map((id) => id === 1))
        expect(found[2]?.[column]).toEqual(values('same')[column])
      }
    })

    it('come from the query result cache', async () => {
      const read = (source: DataSource) =>
        source
          .getRepository(Account)
          .find({ order: { id: 'ASC' }, cache: { id: 'all', milliseconds: 60_000 } })
      await read(reader)
      await dataSource.query(`DELETE FROM ${db().quote('account')}`)
      for (const source of [reader, marking]) {
        expect((await read(source)).map(valuesOf)).toEqual(ids.map(() => values('same')))
      }
    })

    it('stay ciphertext in raw results and streams', async () => {
      const builder = () => accounts(reader).createQueryBuilder('a').orderBy('a.id')
      const rows = await builder().getRawMany<Record<string, unknown>>()
      if (hasStreams(db())) {
        for await (const row of (await builder().stream()) as Readable)
          rows.push(row as Record<string, unknown>)
      }
      for (const row of rows)
        for (const column of columns) expect(isCiphertext(row[`a_${column}`])).toBe(true)
      expect(rows.every((row) => typeof row['a_text'] === 'string')).toBe(true)
    })

    it('are refused where the query does not bring what tells their row', async () => {
      const found = accounts(reader).find({ select: { id: true, text: true } })
      expect(await failure(found)).toMatchObject({ entity: 'Account', property: 'text' })
    })
  })

  it('go through save of new and changed entities, in batches and one by one', async () => {
    const saved = await accounts().save(ids.map((id) => account(id)))
    for (const row of saved) Object.assign(row, { owner: `${row.owner}!`, ...values('changed') })
    await accounts().save(saved)
    const fresh = await start()
    expect((await readAll(fresh)).map(valuesOf)).toEqual(ids.map(() => values('changed')))
    await fresh.destroy()
  })

  it('go through insert, update and upsert', async () => {
    await accounts().insert([account(1), account(2, { text: null, direct: null })])
    await accounts().update({ id: 1 }, { owner: 'new owner', ...values('updated') })
    await accounts().upsert([account(2, values('upserted')), account(3)], ['id'])
    const found = await readAll()
    expect(found.map(valuesOf)).toEqual([values('updated'), values('upserted'), values('same')])
  })

  it('are not stored by a statement that does not tell their row', async () => {
    await insertAll()
    expect(await failure(accounts().update({ id: 1 }, { text: 'lost' }))).toMatchObject({
      code: 'INVALID_VALUE',
      property: 'text',
    })
    expect((await readAll()).map(valuesOf)).toEqual(ids.map(() => values('same')))
  })

  it('announced for one row are not stored in another', async () => {
    const wallets = dataSource.getRepository(Wallet)
    const made = ['first', 'first', 'other'].map((seed, id) =>
      Object.assign(new Wallet(), { id, owner: `owner ${id}`, seed }),
    )
    // The first two are changed after their values were announced; the third is set to what was announced for the first.
    const third = made[2]!
    third.fill = async () => {
      await Promise.resolve()
      third.seed = 'first'
    }
    await wallets.save(made)
    const fresh = await start()
    const found = await fresh.getRepository(Wallet).find({ order: { id: 'ASC' } })
    expect(found.map(({ seed }) => seed)).toEqual(['changed', 'changed', 'first'])
    await fresh.destroy()
  })

  it('of children of one table are read through their parent', async () => {
    const lorries = dataSource.getRepository(Lorry)
    await lorries.save([1, 2].map((id) => ({ id, owner: `owner ${id}`, plate: 'same', cargo: 'same' })))
    await dataSource.getRepository(Vehicle).save({ id: 3, owner: 'owner 3', plate: 'same' })
    const fresh = await start()
    const found = await fresh.getRepository(Vehicle).find({ order: { id: 'ASC' } })
    expect(found.map((row) => [row.plate, (row as Lorry).cargo])).toEqual([
      ['same', 'same'],
      ['same', 'same'],
      ['same', undefined],
    ])
    await copy('vehicle', 'cargo', 1, 2)
    expect(await failure(fresh.getRepository(Vehicle).find())).toMatchObject({ property: 'cargo' })
    await fresh.destroy()
  })

  it('come back from RETURNING', async () => {
    const insert = () =>
      dataSource.createQueryBuilder().insert().into(Account).values(account(1)).returning('*').execute()
    if (db().name !== 'postgres') {
      expect(await failure(Promise.resolve().then(insert))).toMatchObject({
        name: 'ReturningStatementNotSupportedError',
      })
      return
    }
    const { raw } = await insert()
    const [row] = raw as Record<string, unknown>[]
    for (const column of columns) expect(isCiphertext(row?.[column])).toBe(true)
  })
})
