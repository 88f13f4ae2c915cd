import 'reflect-metadata'
import { Column, type DataSource, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

class Account {
  @Column({ type: 'int' }) bankId!: number
  /** Bound to a property beside it, and to one of the entity. */
  @KmsEncrypted({ boundTo: { row: ['bankId', 'id'] }, nullable: true, type: 'string' }) iban!: string | null
}

class Contact {
  @Column({ type: 'int' }) country!: number
  @KmsEncrypted({ boundTo: { row: ['country'] }, keyPer: ['tenantId'] }) phone!: string
  @Column(() => Account, { prefix: 'acc_' }) account!: Account
}

@Entity()
class Customer {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column({ type: 'int' }) tenantId!: number
  @Column(() => Contact, { prefix: false }) contact!: Contact
  @Column(() => Account) second!: Account
}

@Entity()
class Member {
  @PrimaryGeneratedColumn() id!: number
  @Column(() => Account) account!: Account
}

const account = (bankId: number, iban: string | null) => ({ bankId, iban })
const customer = (id: number, more: Partial<Customer> = {}): Customer => ({
  id,
  tenantId: id % 2,
  contact: { country: 49, phone: `phone ${id}`, account: account(1, `iban ${id}`) },
  second: account(2, `second ${id}`),
  ...more,
})

describeDatabases('Values of embedded entities that are bound to their row', (db) => {
  let app: TestApplication
  let dataSource: DataSource
  const customers = (source = dataSource) => source.getRepository(Customer)

  beforeAll(async () => {
    app = await startApplication(db(), [Customer, Member])
    dataSource = app.dataSource
  })
  beforeEach(() => customers().clear())
  afterAll(() => app.stop())

  const stored = async () => {
    const { dataSource: cold } = await app.restart()
    return customers(cold).find({ order: { id: 'ASC' } })
  }

  it('are written by save and insert, of one and of many, and read cold', async () => {
    await customers().save([customer(1), customer(2)])
    await customers().insert([customer(3), customer(4, { second: account(9, null) })])
    await customers().save(customer(5))
    const all = [1, 2, 3, 4, 5].map((id) => customer(id, id === 4 ? { second: account(9, null) } : {}))
    expect(await stored()).toMatchObject(all)
    expect(await customers().find({ order: { id: 'ASC' } })).toMatchObject(all)
  })

  it('are written anew with what they are bound to, of the embedded entity and of the entity', async () => {
    await customers().save([customer(1), customer(2)])
    const [first] = await customers().findBy({ id: 1 })
    first!.contact.account.bankId = 7
    first!.contact.country = 33
    first!.tenantId = 8
    await customers().save(first!)
    expect(await stored()).toMatchObject([
      {
        tenantId: 8,
        contact: { country: 33, phone: 'phone 1', account: account(7, 'iban 1') },
        second: account(2, 'second 1'),
      },
      customer(2),
    ])
  })

  it('are updated by criteria, with what they are bound to and without', async () => {
    await customers().save([customer(1), customer(2)])
    await customers().update({ id: 1 }, { second: { iban: 'changed' } })
    await customers().update({ id: 2 }, { contact: { account: account(5, 'of bank 5') } })
    const refused = customers().update({ id: 2 }, { second: { bankId: 5 } })
    expect(await failure(refused)).toMatchObject({ code: 'ROW_UNKNOWN', property: 'second.iban' })
    expect(await stored()).toMatchObject([
      { second: account(2, 'changed') },
      { contact: { account: account(5, 'of bank 5') }, second: account(2, 'second 2') },
    ])
  })

  it('are read where the query leaves out what they are bound to', async () => {
    await customers().save(customer(1))
    const found = await customers().find({
      select: { id: true, contact: { phone: true, account: { iban: true } } },
    })
    expect(found).toMatchObject([{ contact: { phone: 'phone 1', account: { iban: 'iban 1' } } }])
  })

  it('open in their own row and embedded entity only', async () => {
    await customers().save([customer(1), customer(3)])
    const [bank, own, secondBank, second] = [
      'contact.account.bankId',
      'contact.account.iban',
      'second.bankId',
      'second.iban',
    ].map((path) =>
      db().quote(dataSource.getMetadata(Customer).findColumnWithPropertyPath(path)!.databaseName),
    )
    const set = (assignments: string, id: number) =>
      db().rawQuery(`UPDATE customer SET ${assignments} WHERE id = ${id}`)
    const read = (id: number) => failure(customers().findOneByOrFail({ id }))
    await set(`${bank} = 2`, 1)
    expect(await read(1)).toMatchObject({ code: 'CIPHERTEXT_WRONG_ROW', property: 'contact.account.iban' })
    await set(`${bank} = 1`, 1)
    expect(await customers().findOneBy({ id: 1 })).toMatchObject(customer(1))
    // Beside it, in the same row and under the same names of properties.
    await set(`${secondBank} = 1, ${second} = ${own}`, 1)
    expect(await read(1)).toMatchObject({ code: 'CIPHERTEXT_WRONG_ROW', property: 'second.iban' })
    await set(
      `${own} = (SELECT copied FROM (SELECT ${own} AS copied FROM customer WHERE id = 1) AS others)`,
      3,
    )
    expect(await read(3)).toMatchObject({ code: 'CIPHERTEXT_WRONG_ROW', property: 'contact.account.iban' })
  })

  it('with a key that the database makes', async () => {
    const members = dataSource.getRepository(Member)
    const saved = await members.save([1, 2].map((at) => ({ account: account(at, `of ${at}`) })))
    await members.insert([3, 4].map((at) => ({ account: account(at, `of ${at}`) })))
    const { dataSource: cold } = await app.restart()
    const found = await cold.getRepository(Member).find({ order: { id: 'ASC' } })
    expect(found.map((each) => each.account)).toEqual([1, 2, 3, 4].map((at) => account(at, `of ${at}`)))
    expect(found.slice(0, 2).map(({ id }) => id)).toEqual(saved.map(({ id }) => id))
  })
})
