import 'reflect-metadata'
import {
  BaseEntity,
  Column,
  DeleteDateColumn,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  type Repository,
  VersionColumn,
} from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { startApplication, type TestApplication } from '../../support/encryption'
import { kmsCalls, storedValues } from './support'

@Entity()
class User extends BaseEntity {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar', length: 40, unique: true }) email!: string
  @Column({ type: 'int', default: 7 }) visits!: number
  @VersionColumn() version!: number
  @DeleteDateColumn() deletedAt!: Date | null
  @KmsEncrypted() secret!: string
  @KmsEncrypted({ type: 'string', nullable: true }) phone?: string | null
  @KmsEncrypted({ nullable: true }) bytes?: Buffer
  @KmsEncrypted({ nullable: true, type: 'json' }) data!: { list: number[] } | null
  @OneToMany('Item', 'user', { cascade: true }) items!: Item[]
}

@Entity()
class Item {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ mode: 'direct' }) name!: string
  @ManyToOne('User', 'items', { orphanedRowAction: 'delete' }) user!: User
}

@Entity()
class Fixed {
  @PrimaryColumn({ type: 'varchar', length: 20 }) code!: string
  @KmsEncrypted({ type: 'string', nullable: true, update: false }) once!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, insert: false }) later!: string | null
  @KmsEncrypted() always!: string
}

/** A value that the class itself transforms, as TypeORM's transformers would. */
class Money {
  constructor(
    readonly amount: bigint,
    readonly currency: string,
  ) {}
}

@Entity()
class Invoice {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ name: 'total' }) protected storedTotal!: string
  @Column({
    type: 'varchar',
    transformer: [
      { to: (tags: string[]) => tags.join(), from: (text: string) => text.split(',') },
      { to: (text: string) => text.toUpperCase(), from: (text: string) => text.toLowerCase() },
    ],
  })
  tags!: string[]

  get total(): Money {
    const [amount, currency] = this.storedTotal.split(' ') as [string, string]
    return new Money(BigInt(amount), currency)
  }

  set total({ amount, currency }: Money) {
    this.storedTotal = `${amount.toString()} ${currency}`
  }
}

describeDatabases('persisting entities with encrypted columns', (db) => {
  let application: TestApplication
  let users: Repository<User>
  let count = 0

  beforeAll(async () => {
    application = await startApplication(db(), [User, Item, Fixed, Invoice])
    users = application.dataSource.getRepository(User)
    User.useDataSource(application.dataSource)
  })

  afterAll(() => application.stop())

  const email = () => `user${++count}@example.org`
  const newUser = () => users.create({ email: email(), secret: 'a secret', data: { list: [1] } })

  it('keeps the very objects that the application gave', async () => {
    const bytes = Buffer.from('bytes')
    const data = { list: [1, 2] }
    const user = Object.assign(newUser(), { bytes, data })
    const saved = await users.save(user)
    expect(saved).toBe(user)
    expect(saved.bytes).toBe(bytes)
    expect(saved.data).toBe(data)
    expect(saved.visits).toBe(7)
    await expect(users.findOneByOrFail({ id: user.id })).resolves.toMatchObject({ bytes, data })
  })

  it('writes values that were changed in place', async () => {
    const user = Object.assign(newUser(), { bytes: Buffer.from('abc') })
    await users.save(user)
    user.bytes[0] = 0
    user.data!.list.push(2)
    await users.save(user)
    expect(user.version).toBe(2)
    const found = await users.findOneByOrFail({ id: user.id })
    expect(found).toMatchObject({ bytes: Buffer.from('\0bc'), data: { list: [1, 2] } })
    found.bytes![0] = 1
    await users.save(found)
    expect((await users.findOneByOrFail({ id: user.id })).bytes).toEqual(Buffer.from('\u0001bc'))
  })

  it('sends no UPDATE for an unchanged entity, and asks KMS for no encryption', async () => {
    const { id } = await users.save(newUser())
    const found = await users.findOneByOrFail({ id })
    const before = await storedValues(db(), 'user', 'secret', 'data')
    const [calls] = await kmsCalls(application, async () => {
      await users.save(found)
      await users.save([found, users.merge(users.create(), found)])
      await users.save({ id, secret: 'a secret', data: { list: [1] } })
    })
    expect(calls).toBe(0)
    expect(found.version).toBe(1)
    await expect(storedValues(db(), 'user', 'secret', 'data')).resolves.toEqual(before)
  })

  it('leaves what is undefined and writes what is null', async () => {
    const { id } = await users.save(Object.assign(newUser(), { phone: '123' }))
    await users.save({ id, secret: 'other' })
    await expect(users.findOneByOrFail({ id })).resolves.toMatchObject({ secret: 'other', phone: '123' })
    await users.save({ id, phone: undefined })
    await expect(users.findOneByOrFail({ id })).resolves.toMatchObject({ phone: '123' })
    await users.save({ id, phone: null })
    await expect(users.findOneByOrFail({ id })).resolves.toMatchObject({ secret: 'other', phone: null })
    await users.save({ id, phone: '' })
    await expect(users.findOneByOrFail({ id })).resolves.toMatchObject({ phone: '' })
    await users.update(id, { phone: null })
    await expect(users.findOneByOrFail({ id })).resolves.toMatchObject({ phone: null })
  })

  it('updates only the columns that changed', async () => {
    const user = await users.save(Object.assign(newUser(), { phone: '1' }))
    const where = `SELECT * FROM ${db().quote('user')} WHERE id = ${user.id}`
    const [before] = await db().rawQuery(where)
    user.phone = '2'
    await users.save(user)
    const [after] = await db().rawQuery(where)
    expect(after!['secret']).toEqual(before!['secret'])
    expect(after!['phone']).not.toEqual(before!['phone'])
  })

  it.each([
    ['without listeners', { listeners: false }],
    ['without a transaction', { transaction: false }],
    ['without a reload', { reload: false }],
    ['in chunks', { chunk: 2 }],
  ])('saves %s', async (_, options) => {
    await users.save([newUser(), newUser(), newUser()], options)
    // Without a reload, the new entities do not learn their ids.
    const batch = await users.find({ order: { id: 'DESC' }, take: 3 })
    batch[1]!.secret = 'changed'
    await users.save(batch, options)
    const found = await users.find({ order: { id: 'DESC' }, take: 3 })
    expect(found.map(({ secret }) => secret).sort()).toEqual(['a secret', 'a secret', 'changed'])
    await storedValues(db(), 'user', 'secret', 'phone', 'bytes', 'data')
  })

  it('saves entities of several classes at once', async () => {
    const user = newUser()
    const fixed = application.dataSource.manager.create(Fixed, { code: 'mixed', always: 'x' })
    await application.dataSource.manager.save([user, fixed])
    await expect(users.findOneByOrFail({ id: user.id })).resolves.toMatchObject({ secret: 'a secret' })
    await expect(
      application.dataSource.manager.findOneByOrFail(Fixed, { code: 'mixed' }),
    ).resolves.toMatchObject({ always: 'x' })
  })

  it('saves hundreds of rows with one call to KMS', async () => {
    const { dataSource } = await application.restart()
    const many = Array.from({ length: 300 }, newUser)
    const [calls] = await kmsCalls(application, () => dataSource.getRepository(User).save(many))
    expect(calls).toBe(1)
    await storedValues(db(), 'user', 'secret')
  })

  it('keeps to insert: false and update: false', async () => {
    const fixed = application.dataSource.getRepository(Fixed)
    await fixed.save({ code: 'a', once: 'first', later: 'ignored', always: 'x' })
    await expect(fixed.findOneByOrFail({ code: 'a' })).resolves.toMatchObject({ once: 'first', later: null })
    await fixed.save({ code: 'a', once: 'ignored', later: 'second', always: 'y' })
    await expect(fixed.findOneByOrFail({ code: 'a' })).resolves.toEqual({
      code: 'a',
      once: 'first',
      later: 'second',
      always: 'y',
    })
  })

  it('saves, reloads and removes through BaseEntity', async () => {
    const user = User.create({ email: email(), secret: 'active' })
    await user.save()
    await User.update(user.id, { secret: 'elsewhere' })
    expect(user.secret).toBe('active')
    await user.reload()
    expect(user.secret).toBe('elsewhere')
    await user.softRemove()
    await expect(User.findOneBy({ id: user.id })).resolves.toBeNull()
    await user.recover()
    await expect(User.findOneByOrFail({ id: user.id })).resolves.toMatchObject({ secret: 'elsewhere' })
    const { id } = user
    await user.remove()
    expect(user).toMatchObject({ secret: 'elsewhere' })
    await expect(User.existsBy({ id })).resolves.toBe(false)
  })

  it('does not touch ciphertexts when it counts up, deletes softly or restores', async () => {
    const { id } = await users.save(newUser())
    const before = await storedValues(db(), 'user', 'secret')
    await users.increment({ id }, 'visits', 3)
    await users.softDelete(id)
    await users.restore(id)
    await expect(storedValues(db(), 'user', 'secret')).resolves.toEqual(before)
    await expect(users.findOneByOrFail({ id })).resolves.toMatchObject({ visits: 10, secret: 'a secret' })
  })

  it('upserts and updates through query builders, giving back plaintext', async () => {
    const address = email()
    const first = { email: address, secret: 'first' }
    await users.upsert(first, ['email'])
    const second = { email: address, secret: 'second', data: { list: [2] } }
    await users.upsert(second, { conflictPaths: ['email'] })
    expect(second).toMatchObject({ secret: 'second', data: { list: [2] } })
    const user = await users.findOneByOrFail({ email: address })
    expect(user).toMatchObject({ secret: 'second', data: { list: [2] } })
    await users
      .createQueryBuilder()
      .update()
      .set({ secret: 'third' })
      .whereEntity(user)
      .updateEntity(true)
      .execute()
    await expect(users.findOneByOrFail({ email: address })).resolves.toMatchObject({ secret: 'third' })
    await users
      .createQueryBuilder()
      .insert()
      .values({ email: address, secret: 'fourth' })
      .orUpdate(['secret'], ['email'])
      .execute()
    await expect(users.findOneByOrFail({ email: address })).resolves.toMatchObject({ secret: 'fourth' })
    await storedValues(db(), 'user', 'secret', 'data')
  })

  it('deletes orphans and saves the rest of a relation', async () => {
    const user = newUser()
    user.items = ['a', 'b', 'c'].map((name) => application.dataSource.manager.create(Item, { name }))
    await users.save(user)
    const found = await users.findOneOrFail({ where: { id: user.id }, relations: { items: true } })
    found.items = found.items.filter(({ name }) => name !== 'b')
    found.items.find(({ name }) => name === 'c')!.name = 'd'
    await users.save(found)
    const items = await application.dataSource.getRepository(Item).find({ order: { id: 'ASC' } })
    expect(items.map(({ name }) => name)).toEqual(['a', 'd'])
    await storedValues(db(), 'item', 'name')
  })

  it('goes with its transaction', async () => {
    const user = await users.save(newUser())
    const rolledBack = application.dataSource.transaction(async (manager) => {
      user.secret = 'never'
      await manager.save(user)
      await expect(manager.findOneByOrFail(User, { id: user.id })).resolves.toMatchObject({ secret: 'never' })
      throw new Error('roll back')
    })
    await expect(rolledBack).rejects.toThrow('roll back')
    expect(user.secret).toBe('never')
    await expect(users.findOneByOrFail({ id: user.id })).resolves.toMatchObject({ secret: 'a secret' })
    await application.dataSource.transaction(async (manager) => {
      await manager.save(user)
      await manager.transaction((nested) => nested.update(User, user.id, { phone: 'nested' }))
    })
    await expect(users.findOneByOrFail({ id: user.id })).resolves.toMatchObject({
      secret: 'never',
      phone: 'nested',
    })
  })

  it('stands beside transformers of other columns and accessors of its own', async () => {
    const invoices = application.dataSource.getRepository(Invoice)
    const invoice = Object.assign(invoices.create({ tags: ['a', 'b'] }), { total: new Money(123n, 'EUR') })
    await invoices.save(invoice)
    await storedValues(db(), 'invoice', 'total')
    const found = await invoices.findOneByOrFail({ id: invoice.id })
    expect(found.total).toEqual(new Money(123n, 'EUR'))
    expect(found.tags).toEqual(['a', 'b'])
    found.total = new Money(5n, 'USD')
    await invoices.save(found)
    expect((await invoices.findOneByOrFail({ id: invoice.id })).total).toEqual(new Money(5n, 'USD'))
  })
})
