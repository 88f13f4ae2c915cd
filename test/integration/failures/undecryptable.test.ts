import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { isUndecryptable, KmsEncrypted, undecryptable } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Customer {
  @PrimaryGeneratedColumn() id!: number
  @Column() email!: string
  @KmsEncrypted() token!: string
  @KmsEncrypted({ type: 'json' }) address!: { city: string }
  @KmsEncrypted({ onUndecryptable: 'throw' }) strict!: string
}

const ROWS = 1_000
/** Each row with a value that cannot be decrypted. */
const BROKEN = 617

describeDatabases('One row that cannot be decrypted among a thousand', (db) => {
  let app: TestApplication

  const quote = (name: string): string => db().quote(name)
  const stored = async (column: string, id: number): Promise<Buffer> => {
    const [row] = await db().rawQuery(`SELECT ${quote(column)} AS v FROM ${quote('customer')} WHERE id = ?`, [
      id,
    ])
    return row!.v as Buffer
  }
  const originals = new Map<string, Buffer>()
  const write = (column: string, bytes: Buffer) =>
    db().rawQuery(`UPDATE ${quote('customer')} SET ${quote(column)} = ? WHERE id = ?`, [bytes, BROKEN])
  /** Changes the last byte of a stored value. */
  const tamper = async (column: string): Promise<void> => {
    const bytes = await stored(column, BROKEN)
    originals.set(column, Buffer.from(bytes))
    bytes[bytes.length - 1]! ^= 1
    await write(column, bytes)
  }
  const customers = async () => {
    const { dataSource } = await app.restart({ onUndecryptable: 'marker' })
    return dataSource.getRepository(Customer)
  }

  beforeAll(async () => {
    app = await startApplication(db(), [Customer])
    const rows = Array.from({ length: ROWS }, (_, index) => ({
      email: `${index}@example.org`,
      token: `token ${index}`,
      address: { city: `city ${index}` },
      strict: 'x',
    }))
    await app.dataSource.getRepository(Customer).insert(rows)
  })
  afterEach(async () => {
    app.kms.misbehave({})
    for (const [column, bytes] of originals) await write(column, bytes)
    originals.clear()
  })
  afterAll(() => app.stop())

  it('fails the find by default, naming entity, property and primary key', async () => {
    await tamper('token')
    const error = await failure(app.dataSource.getRepository(Customer).find())
    expect(error).toMatchObject({
      code: 'CIPHERTEXT_TAMPERED',
      entity: 'Customer',
      property: 'token',
      primaryKey: { id: BROKEN },
    })
    expect(error.message).toContain(`Customer.token (id=${BROKEN})`)
  })

  it('is a marker with onUndecryptable, beside 999 values', async () => {
    await tamper('token')
    const found = await (await customers()).find({ order: { id: 'ASC' } })
    const broken = found.filter(({ token }) => isUndecryptable(token))
    expect(broken.map(({ id }) => id)).toEqual([BROKEN])
    expect(found.filter(({ token }, index) => token === `token ${index}`)).toHaveLength(ROWS - 1)
    const { failure, stored: found1 } = undecryptable(broken[0]!.token)!
    expect(failure).toMatchObject({ code: 'CIPHERTEXT_TAMPERED', primaryKey: { id: BROKEN } })
    expect(found1).toEqual(await stored('token', BROKEN))
    expect([undecryptable('text'), undecryptable(null), undecryptable({ failure, stored: '' })]).toEqual(
      [undefined, undefined, undefined], // prettier-ignore
    )
  })

  it('survives a save untouched, and is replaced by a new value', async () => {
    await tamper('token')
    await tamper('address')
    const before = [await stored('token', BROKEN), await stored('address', BROKEN)]
    const repository = await customers()
    const customer = await repository.findOneByOrFail({ id: BROKEN })
    await repository.save(customer)
    await repository.save(Object.assign(customer, { email: 'new@example.org' }))
    await repository.save(repository.create(customer))
    await repository.save(repository.merge(repository.create(), customer, { email: 'newer@example.org' }))
    const update = repository.update({ id: BROKEN }, { token: customer.token, address: customer.address })
    expect(await failure(update)).toMatchObject({ code: 'NOT_DECRYPTED' })
    expect([await stored('token', BROKEN), await stored('address', BROKEN)]).toEqual(before)
    expect(await repository.findOneByOrFail({ id: BROKEN })).toMatchObject({ email: 'newer@example.org' })

    await repository.save(Object.assign(customer, { token: 'a new token' }))
    expect((await repository.findOneByOrFail({ id: BROKEN })).token).toBe('a new token')
    expect(await stored('address', BROKEN)).toEqual(before[1])
  })

  it('follows the column before kmsEncryption()', async () => {
    await tamper('strict')
    const error = await failure((await customers()).find())
    expect(error).toMatchObject({ code: 'CIPHERTEXT_TAMPERED', property: 'strict' })
  })

  it('is thrown all the same where KMS itself is in trouble', async () => {
    const repository = await customers()
    // Without the column that throws in any case.
    const find = () => repository.find({ take: 1, select: { id: true, token: true } })
    app.kms.misbehave({ outage: true })
    expect(await failure(find())).toMatchObject({ code: 'KMS_UNAVAILABLE' })
    app.kms.misbehave({ fail: () => 'ThrottlingException' })
    expect(await failure(find())).toMatchObject({ code: 'KMS_THROTTLED' })
    app.kms.misbehave({ deny: 'Decrypt' })
    const [first] = await find()
    expect(undecryptable(first!.token)?.failure.code).toBe('KMS_ACCESS_DENIED')
  })
})
