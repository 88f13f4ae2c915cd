import 'reflect-metadata'
import { randomUUID } from 'node:crypto'
import {
  ChildEntity,
  Column,
  type DataSource,
  Entity,
  JoinColumn,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  TableInheritance,
} from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

class Address {
  @KmsEncrypted({ boundTo: { row: ['id'] }, nullable: true, type: 'string' }) street!: string | null
  @Column({ type: 'varchar', length: 40, nullable: true }) city!: string | null
}

@Entity()
class Account {
  @PrimaryColumn('uuid') id!: string
  @Column({ type: 'int' }) tenantId!: number
  @Column({ type: 'varchar', length: 40 }) label!: string
  @KmsEncrypted({ boundTo: { row: ['id', 'tenantId'] } }) iban!: string
  @KmsEncrypted({ boundTo: { row: { account: 'id' } }, storage: 'text', nullable: true, type: 'json' })
  notes!: { pin: string } | null
  @KmsEncrypted({ boundTo: { row: ['id'] }, mode: 'direct', nullable: true, type: 'string' })
  direct!: string | null
  @KmsEncrypted({ keyPer: ['tenantId'], nullable: true, type: 'string' }) perTenant!: string | null
  @KmsEncrypted({ keyPer: { tenant: 'tenantId' }, boundTo: { row: ['id'] }, nullable: true, type: 'string' })
  both!: string | null
  @Column(() => Address) address!: Address
  @OneToMany('Device', 'account', { cascade: true }) devices!: Device[]
}

@Entity()
class Device {
  @PrimaryColumn({ type: 'bigint' }) serial!: string
  @ManyToOne('Account', 'devices', { nullable: false }) @JoinColumn({ name: 'accountId' }) account!: Account
  @KmsEncrypted({ boundTo: { row: ['serial', 'account'] } }) token!: string
}

@Entity()
@TableInheritance({ column: { type: 'varchar', name: 'kind' } })
class Vehicle {
  @PrimaryColumn({ type: 'int' }) id!: number
  @KmsEncrypted({ boundTo: { row: ['id'] } }) plate!: string
}

@ChildEntity()
class Lorry extends Vehicle {
  @KmsEncrypted({ boundTo: { row: ['id'] }, nullable: true, type: 'string' }) cargo!: string | null
}

const secrets = ['iban', 'notes', 'direct', 'perTenant', 'both'] as const
const values = (text: string) => ({
  iban: text,
  notes: { pin: text },
  direct: text,
  perTenant: text,
  both: text,
})
const valuesOf = ({ iban, notes, direct, perTenant, both }: Account) => ({
  iban,
  notes,
  direct,
  perTenant,
  both,
})
const account = (tenantId = 1, more: Partial<Account> = {}): Account =>
  Object.assign(new Account(), {
    id: randomUUID(),
    tenantId,
    label: 'label',
    ...values('same'),
    address: Object.assign(new Address(), { street: 'street', city: 'city' }),
    ...more,
  })

describeDatabases('values that are bound to their row are written', (db) => {
  let app: TestApplication
  let dataSource: DataSource

  beforeAll(async () => {
    app = await startApplication(db(), [Account, Device, Vehicle, Lorry])
    dataSource = app.dataSource
  })
  afterEach(async () => {
    for (const table of ['device', 'account', 'vehicle'])
      await db().rawQuery(`DELETE FROM ${db().quote(table)}`)
  })
  afterAll(() => app.stop())

  const accounts = (source = dataSource) => source.getRepository(Account)

  /** As a fresh process reads them. */
  async function reread(): Promise<Account[]> {
    const { dataSource: fresh } = await app.restart()
    try {
      return await accounts(fresh).find({ order: { label: 'ASC', id: 'ASC' } })
    } finally {
      await fresh.destroy()
    }
  }

  it('by save of new and changed entities', async () => {
    const saved = await accounts().save([account(1), account(2), account(2)])
    expect((await reread()).map(valuesOf)).toEqual(saved.map(() => values('same')))
    for (const row of saved) Object.assign(row, values('changed'))
    await accounts().save(saved)
    expect((await reread()).map(valuesOf)).toEqual(saved.map(() => values('changed')))
  })

  it('by save of one changed property, and of none', async () => {
    const one = await accounts().save(account())
    const loaded = await accounts().findOneByOrFail({ id: one.id })
    loaded.both = 'other'
    await accounts().save(loaded)
    const before = await db().rawQuery(`SELECT * FROM ${db().quote('account')}`)
    await accounts().save(await accounts().findOneByOrFail({ id: one.id }))
    expect(await db().rawQuery(`SELECT * FROM ${db().quote('account')}`)).toEqual(before)
    const [found] = await reread()
    expect(found && valuesOf(found)).toEqual({ ...values('same'), both: 'other' })
  })

  it('by save with a part of the entity', async () => {
    const one = await accounts().save(account())
    await accounts().save({ id: one.id, ...values('part') })
    expect((await reread()).map(valuesOf)).toEqual([values('part')])
  })

  it('by insert of many rows, and of rows with fewer columns', async () => {
    const rows = [account(1), account(2, { notes: null }), account(3, { direct: null })]
    await accounts().insert(rows)
    const { address, ...plain } = account(4)
    await accounts().insert(plain)
    expect(address.street).toBe('street')
    const found = await reread()
    expect(found).toHaveLength(4)
    expect(found.map(({ iban }) => iban)).toEqual(found.map(() => 'same'))
    expect(found.filter(({ address: { street } }) => street === 'street')).toHaveLength(3)
  })

  it('anew when what they are bound to changes with the entity', async () => {
    const one = await accounts().save(account(1))
    const loaded = await accounts().findOneByOrFail({ id: one.id })
    loaded.tenantId = 2
    await accounts().save(loaded)
    const [found] = await reread()
    expect(found).toMatchObject({ tenantId: 2, ...values('same') })
  })

  it('not by an update that changes what others are bound to', async () => {
    const one = await accounts().save(account(1))
    expect(await failure(accounts().update({ id: one.id }, { tenantId: 2 }))).toMatchObject({
      code: 'ROW_UNKNOWN',
      entity: 'Account',
    })
    expect(await reread()).toMatchObject([{ tenantId: 1, ...values('same') }])
  })

  it('by an update that names what they are bound to', async () => {
    const one = await accounts().save(account(1))
    await accounts().update({ id: one.id }, { notes: { pin: 'updated' }, direct: 'updated' })
    await accounts().update({ id: one.id, tenantId: 1 }, { iban: 'updated', perTenant: 'updated' })
    await accounts().update(
      { id: db().name === 'sqlite' ? one.id : one.id.toUpperCase() },
      { tenantId: 3, iban: 'moved', perTenant: 'moved', both: 'moved' },
    )
    const [found] = await reread()
    expect(found).toMatchObject({
      tenantId: 3,
      iban: 'moved',
      notes: { pin: 'updated' },
      direct: 'updated',
      perTenant: 'moved',
      both: 'moved',
    })
  })

  it('by an upsert by what they are bound to, and by no other', async () => {
    const one = await accounts().save(account(1))
    const upserted = account(1, { id: one.id, ...values('upserted') })
    // iban is bound to the tenant as well, which the row keeps.
    expect(await failure(accounts().upsert(upserted, ['id']))).toMatchObject({ code: 'ROW_UNKNOWN' })
    const { notes, direct } = upserted
    await accounts()
      .upsert({ id: one.id, tenantId: 1, label: 'x', iban: 'same', notes, direct }, ['id'])
      .catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'ROW_UNKNOWN', property: 'iban' })
      })
    await dataSource.getRepository(Vehicle).upsert(
      [
        { id: 1, plate: 'one' },
        { id: 2, plate: 'two' },
      ],
      ['id'],
    )
    await dataSource.getRepository(Vehicle).upsert(
      [
        { id: 2, plate: 'changed' },
        { id: 3, plate: 'three' },
      ],
      ['id'],
    )
    const { dataSource: fresh } = await app.restart()
    const found = await fresh.getRepository(Vehicle).find({ order: { id: 'ASC' } })
    expect(found.map(({ plate }) => plate)).toEqual(['one', 'changed', 'three'])
    await fresh.destroy()
    expect((await reread()).map(valuesOf)).toEqual([values('same')])
  })

  it('by cascades, to the owner of a relation', async () => {
    const one = account(1)
    one.devices = [1n, db().name === 'sqlite' ? 2n : 9007199254740993n].map((serial) =>
      Object.assign(new Device(), { serial: String(serial), token: `token ${serial}` }),
    )
    await accounts().save(one)
    const { dataSource: fresh } = await app.restart()
    const found = await accounts(fresh).findOneOrFail({
      where: { id: one.id },
      relations: { devices: true },
      order: { devices: { serial: 'ASC' } },
    })
    expect(found.devices.map(({ token }) => token)).toEqual(one.devices.map(({ token }) => token))
    expect(found.devices).toHaveLength(2)
    await fresh.destroy()
  })

  it('by children of one table, and read through their parent', async () => {
    await dataSource.getRepository(Lorry).save([{ id: 1, plate: 'same', cargo: 'gold' }])
    const { dataSource: fresh } = await app.restart()
    expect(await fresh.getRepository(Vehicle).find()).toMatchObject([{ plate: 'same', cargo: 'gold' }])
    await fresh.destroy()
  })

  it('by an update with criteria that say nothing of what they are bound to', async () => {
    const [one, two] = await accounts().save([account(1), account(2, { label: 'other' })])
    const { affected } = await accounts().update({ label: 'label' }, values('updated'))
    expect(affected).toBe(1)
    await accounts().update([one!.id, randomUUID()], { notes: { pin: 'of two' } })
    expect((await accounts().update({ label: 'of nobody' }, values('lost'))).affected).toBe(0)
    const found = await reread()
    expect(found.map(({ id }) => id)).toEqual([one!.id, two!.id])
    expect(found.map(valuesOf)).toEqual([{ ...values('updated'), notes: { pin: 'of two' } }, values('same')])
  })

  it('by an update of many rows that agree in it, and not of rows that differ', async () => {
    await accounts().save([account(1), account(1), account(2, { label: 'other' })])
    await dataSource.transaction((manager) =>
      manager.update(Account, { label: 'label' }, { perTenant: 'all' }),
    )
    const all = { perTenant: 'changed', label: 'label' }
    expect(
      await failure(accounts().createQueryBuilder().update().set(all).where('1 = 1').execute()),
    ).toMatchObject({ code: 'ROW_UNKNOWN', property: 'perTenant' })
    expect(await failure(accounts().update({ label: 'label' }, { both: 'x' }))).toMatchObject({
      code: 'ROW_UNKNOWN',
    })
    expect((await reread()).map(({ perTenant, label }) => [perTenant, label])).toEqual([
      ['all', 'label'],
      ['all', 'label'],
      ['same', 'other'],
    ])
  })

  it('by updates at once, each in its own row', async () => {
    const saved = await accounts().save(Array.from({ length: 6 }, (_, index) => account(index % 2)))
    await Promise.all(
      saved.map(({ id }, index) =>
        accounts().update({ id }, index % 2 ? values(id) : { tenantId: 5, ...values(id) }),
      ),
    )
    for (const row of await reread()) expect(valuesOf(row)).toEqual(values(row.id))
  })

  it('not where the statement does not tell the row', async () => {
    await accounts().save(account(1))
    const refused: [string, Promise<unknown>][] = [
      [
        'no condition',
        accounts()
          .createQueryBuilder()
          .update()
          .set({ notes: { pin: 'x' } })
          .execute(),
      ],
      ['a function', accounts().insert(account(1, { tenantId: (() => '1 + 1') as never }))],
    ]
    for (const [, promise] of refused) expect(await failure(promise)).toMatchObject({ code: 'ROW_UNKNOWN' })
    expect((await reread()).map(valuesOf)).toEqual([values('same')])
  })

  it.each([
    ['a fraction', 1.5],
    ['text that is no number', '01'],
    ['a number over the range', 2 ** 60],
    ['null', null],
  ])('not for a row with %s where an integer must be', async (_, tenantId) => {
    expect(['INVALID_VALUE', 'ROW_UNKNOWN']).toContain(
      (await failure(accounts().insert(account(tenantId as number)))).code,
    )
    expect(await reread()).toEqual([])
  })

  it('by raw SQL, with the row given', async () => {
    const one = await accounts().save(account(1))
    const { encryption } = app
    const table = db().quote('account')
    const row = (await db().rawQuery(`SELECT * FROM ${table}`))[0]!
    for (const property of secrets) {
      expect(await encryption.decrypt(Account, property, row[property], row)).toEqual(
        values('same')[property],
      )
      expect(await encryption.decrypt(Account, property, row[property], one)).toEqual(
        values('same')[property],
      )
      expect(await failure(encryption.decrypt(Account, property, row[property]))).toMatchObject({
        code: 'ROW_UNKNOWN',
        property,
      })
      const stored = await encryption.encrypt('Account', property, values('raw')[property], row)
      const place = `UPDATE ${table} SET ${db().quote(property)} = ? WHERE id = ?`
      await db().rawQuery(place, [stored, one.id])
    }
    expect((await reread()).map(valuesOf)).toEqual([values('raw')])
    const other = account(7)
    expect(
      await failure(
        encryption.decrypt(
          Account,
          'notes',
          (await db().rawQuery(`SELECT notes AS v FROM ${table}`))[0]!['v'],
          other,
        ),
      ),
    ).toMatchObject({ code: 'CIPHERTEXT_WRONG_ROW' })
  })
})
