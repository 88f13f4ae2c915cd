import 'reflect-metadata'
import {
  Column,
  type DataSource,
  Entity,
  JoinColumn,
  ManyToOne,
  OneToMany,
  PrimaryGeneratedColumn,
  Tree,
  TreeChildren,
  TreeParent,
  UpdateDateColumn,
} from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Order {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'int' }) tenantId!: number
  @KmsEncrypted({ boundTo: { row: ['id'] } }) iban!: string
  @KmsEncrypted({ boundTo: { row: ['id', 'tenantId'] }, storage: 'text', nullable: true, type: 'string' })
  note!: string | null
  @KmsEncrypted({
    keyPer: ['tenantId'],
    boundTo: { row: ['id'] },
    mode: 'direct',
    nullable: true,
    type: 'string',
  })
  direct!: string | null
  @KmsEncrypted() free!: string
  @UpdateDateColumn() changed!: Date
  @OneToMany('Item', 'order', { cascade: true }) items!: Item[]
}

@Entity()
class Item {
  @PrimaryGeneratedColumn() id!: number
  @ManyToOne('Order', 'items', { nullable: false }) @JoinColumn({ name: 'orderId' }) order!: Order
  @KmsEncrypted({ boundTo: { row: ['id', 'order'] } }) code!: string
}

@Entity()
class Ticket {
  @PrimaryGeneratedColumn('uuid') id!: string
  @KmsEncrypted({ boundTo: { row: ['id'] } }) secret!: string
}

@Entity()
@Tree('materialized-path')
class Folder {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ boundTo: { row: ['id'] } }) name!: string
  @TreeParent() parent!: Folder | null
  @TreeChildren() children!: Folder[]
}

const values = (text: string) => ({ iban: text, note: text, direct: text, free: text })
const order = (text: string, more: Partial<Order> = {}): Order =>
  Object.assign(new Order(), { tenantId: 1, ...values(text), ...more })

describeDatabases('values that are bound to a key which the database makes are stored', (db) => {
  let app: TestApplication
  let dataSource: DataSource

  beforeAll(async () => {
    app = await startApplication(db(), [Order, Item, Ticket, Folder])
    dataSource = app.dataSource
  })
  afterEach(async () => {
    app.kms.misbehave({})
    await db().rawQuery(`UPDATE ${db().quote('folder')} SET ${db().quote('parentId')} = NULL`)
    for (const table of ['item', 'order', 'ticket', 'folder'])
      await db().rawQuery(`DELETE FROM ${db().quote(table)}`)
  })
  afterAll(() => app.stop())

  const orders = (source = dataSource) => source.getRepository(Order)
  async function reread(): Promise<Order[]> {
    const { dataSource: fresh } = await app.restart()
    const found = await orders(fresh).find({ order: { id: 'ASC' } })
    await fresh.destroy()
    return found
  }
  const texts = (found: readonly Order[]) =>
    found.map(({ iban, note, direct, free }) => ({ iban, note, direct, free }))

  it('by save of one and of many', async () => {
    const one = await orders().save(order('one'))
    const many = await orders().save(['two', 'three', 'four'].map((text) => order(text, { tenantId: 2 })))
    const found = await reread()
    expect(texts(found)).toEqual(['one', 'two', 'three', 'four'].map(values))
    expect(found.map(({ id }) => id)).toEqual([one, ...many].map(({ id }) => id))
    expect(found.map(({ changed }) => changed)).toEqual([one, ...many].map(({ changed }) => changed))
  })

  it('by insert of one and of many, with and without values, outside of a transaction', async () => {
    const inserted = await orders().insert(order('one'))
    const more = await orders().insert([
      order('two', { note: null }),
      order('three', { direct: null, note: null }),
      order('four'),
    ])
    expect(dataSource.createQueryRunner().isTransactionActive).toBe(false)
    const found = await reread()
    expect(texts(found)).toEqual([
      values('one'),
      { ...values('two'), note: null },
      { ...values('three'), direct: null, note: null },
      values('four'),
    ])
    expect([...inserted.identifiers, ...more.identifiers]).toEqual(found.map(({ id }) => ({ id })))
  })

  it('by an insert with ids given, and by builders that return nothing', async () => {
    await orders().insert(order('given', { id: 41 }))
    await orders()
      .createQueryBuilder()
      .insert()
      .values([order('one', { note: null }), order('two')])
      .updateEntity(false)
      .execute()
    expect(
      texts(await reread())
        .map(({ iban }) => iban)
        .sort(),
    ).toEqual(['given', 'one', 'two'])
  })

  it('in a transaction, and not by one that is rolled back', async () => {
    await dataSource.transaction(async (manager) => {
      await manager.insert(Order, order('one'))
      await manager.save([order('two'), order('three')])
    })
    await failure(
      dataSource.transaction(async (manager) => {
        await manager.insert(Order, order('lost'))
        throw new Error('of the application')
      }),
    )
    expect(texts(await reread())).toEqual(['one', 'two', 'three'].map(values))
  })

  it('with all rows of a failed insert undone, also in a transaction that goes on', async () => {
    const fresh = await app.restart()
    app.kms.misbehave({ fail: (operation) => (operation === 'Encrypt' ? 'KMSInternalException' : undefined) })
    expect(await failure(orders(fresh.dataSource).insert([order('lost'), order('lost')]))).toMatchObject({
      code: 'KMS_UNAVAILABLE',
    })
    // PostgreSQL has all before the INSERT; elsewhere the rows were there.
    await fresh.dataSource.transaction(async (manager) => {
      await failure(manager.insert(Order, order('lost')))
      await failure(manager.insert(Order, [order('lost'), order('lost')]))
      app.kms.misbehave({})
      await manager.insert(Order, order('kept'))
    })
    expect(texts(await reread())).toEqual([values('kept')])
  })

  it('by cascades, bound to the key of the parent as well', async () => {
    const parent = order('parent')
    parent.items = ['a', 'b', 'c'].map((code) => Object.assign(new Item(), { code }))
    await orders().save(parent)
    const { dataSource: fresh } = await app.restart()
    const [found] = await orders(fresh).find({ relations: { items: true }, order: { items: { id: 'ASC' } } })
    expect(found!.items.map(({ code }) => code)).toEqual(['a', 'b', 'c'])
    await fresh.destroy()
  })

  it('in trees, and with uuids', async () => {
    const trees = dataSource.getTreeRepository(Folder)
    const root = await trees.save(Object.assign(new Folder(), { name: 'root' }))
    await trees.save(Object.assign(new Folder(), { name: 'child', parent: root }))
    await dataSource.getRepository(Ticket).save([{ secret: 'one' }, { secret: 'two' }])
    const { dataSource: fresh } = await app.restart()
    const [found] = await fresh.getTreeRepository(Folder).findTrees()
    expect(found).toMatchObject({ name: 'root', children: [{ name: 'child' }] })
    expect((await fresh.getRepository(Ticket).find()).map(({ secret }) => secret).sort()).toEqual([
      'one',
      'two',
    ])
    await fresh.destroy()
  })

  it('each in its own row: copied to another, none opens', async () => {
    await orders().insert([order('one'), order('two')])
    const [one, two] = await reread()
    await db().rawQuery(
      `UPDATE ${db().quote('order')} SET iban = (SELECT iban FROM (SELECT id, iban FROM ${db().quote('order')}) o WHERE o.id = ${one!.id}) WHERE id = ${two!.id}`,
    )
    expect(await failure(reread())).toMatchObject({
      code: 'CIPHERTEXT_WRONG_ROW',
      primaryKey: { id: two!.id },
    })
  })

  it('by many inserts at once', async () => {
    await Promise.all(Array.from({ length: 8 }, (_, at) => orders().save([order(`${at}`), order(`${at}`)])))
    const found = await reread()
    expect(found).toHaveLength(16)
    expect(found.every(({ iban, note }) => iban === note)).toBe(true)
  })

  it('by an insert that says NULL for the id, and 0 where the database makes another of it', async () => {
    const nulls = await orders().insert(['a', 'b'].map((text) => order(text, { id: null as never })))
    const zero = await orders().insert(order('zero', { id: 0 }))
    const found = await reread()
    expect(
      texts(found)
        .map(({ iban }) => iban)
        .sort(),
    ).toEqual(['a', 'b', 'zero'])
    expect(nulls.identifiers).toEqual(found.filter(({ iban }) => iban !== 'zero').map(({ id }) => ({ id })))
    const { id } = found.find(({ iban }) => iban === 'zero')!
    if (db().name === 'mariadb') expect(zero.raw).toMatchObject({ insertId: id })
    if (db().name === 'sqlite') expect(id).toBe(0)
  })

  it('or none of them, where a trigger changes what stands for the values', async () => {
    const table = db().quote('order')
    const body = {
      mariadb: `BEFORE INSERT ON ${table} FOR EACH ROW SET NEW.iban = CONCAT(NEW.iban, 'x')`,
      sqlite: `AFTER INSERT ON ${table} BEGIN UPDATE ${table} SET iban = x'C10104' WHERE id = NEW.id; END`,
      postgres: '',
    }[db().name]
    if (body === '') {
      // Values are sealed before the INSERT: nothing stands for them.
      await orders().insert(order('one'))
      expect(await reread()).toHaveLength(1)
      return
    }
    await db().rawQuery(`CREATE TRIGGER alters ${body}`)
    try {
      for (const rows of [[order('one')], [order('one'), order('two')]]) {
        const error = await failure(orders().insert(rows))
        expect(error).toMatchObject({ code: 'ROW_UNKNOWN', property: 'iban' })
        expect(error.message).toMatch(/a trigger changed them/)
      }
      await dataSource.transaction(async (manager) => {
        expect(await failure(manager.insert(Order, order('one')))).toMatchObject({ code: 'ROW_UNKNOWN' })
      })
    } finally {
      await db().rawQuery('DROP TRIGGER alters')
    }
    expect(await reread()).toEqual([])
  })

  it('but not where rows may be ignored, or found by an upsert', async () => {
    const builder = orders().createQueryBuilder().insert().values(order('one')).orIgnore()
    expect(await failure(builder.execute())).toMatchObject({ code: 'ROW_UNKNOWN', property: 'iban' })
    expect(await failure(orders().upsert(order('one'), ['tenantId']))).toMatchObject({ code: 'ROW_UNKNOWN' })
    expect(await reread()).toEqual([])
  })
})
