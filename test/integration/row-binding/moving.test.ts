import 'reflect-metadata'
import { Column, type DataSource, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

@Entity()
class Account {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column({ type: 'int' }) tenantId!: number
  @Column({ type: 'int' }) regionId!: number
  @KmsEncrypted({ boundTo: { row: ['id', 'tenantId'] } }) iban!: string
  @KmsEncrypted({ keyPer: ['tenantId'], boundTo: { row: ['regionId'] }, storage: 'text', type: 'json' })
  data!: {
    pin: number
  }
  @KmsEncrypted({ boundTo: { row: ['tenantId'] }, mode: 'direct', type: 'string', nullable: true }) direct!:
    string | null
}

@Entity()
class Member {
  @PrimaryColumn({ type: 'int' }) id!: number
  @Column({ type: 'int' }) tenantId!: number
  @KmsEncrypted({ boundTo: { row: ['tenantId'] }, search: true }) email!: string
}

describeDatabases('A save that moves a row', (db) => {
  let app: TestApplication
  let dataSource: DataSource
  /** Done by another request, between the SELECT of a save and its UPDATE. */
  let meanwhile: (() => Promise<unknown>) | undefined

  beforeAll(async () => {
    app = await startApplication(db(), [Account, Member], (kms) => withIndexKey(kms))
    dataSource = app.dataSource
    dataSource.subscribers.push({
      async beforeUpdate({ queryRunner }) {
        const work = meanwhile
        meanwhile = undefined
        query = (sql, parameters) =>
          db().name === 'sqlite' ? queryRunner.query(sql, parameters) : db().rawQuery(sql, parameters)
        await work?.()
      },
    })
  })
  beforeEach(async () => {
    await dataSource.getRepository(Account).clear()
    await dataSource.getRepository(Account).insert(row)
  })
  afterAll(() => app.stop())

  const row = { id: 1, tenantId: 1, regionId: 1, iban: 'first', data: { pin: 1 }, direct: 'first' }
  let query: (sql: string, parameters: unknown[]) => Promise<unknown>
  const accounts = () => dataSource.getRepository(Account)
  /** What another request stores, for the row as it is. */
  const store = async (property: 'iban' | 'data' | 'direct', value: unknown, of = row) => {
    const sealed = await app.encryption.encrypt(Account, property, value as never, of)
    await query(`UPDATE account SET ${db().quote(property)} = ? WHERE id = 1`, [sealed])
  }

  it('keeps what others have stored meanwhile in what it only moves', async () => {
    const account = await accounts().findOneByOrFail({ id: 1 })
    account.tenantId = 2
    account.direct = 'changed'
    meanwhile = async () => {
      await store('iban', 'of others')
      await store('data', { pin: 2 })
      await store('direct', 'of others')
    }
    await accounts().save(account)
    expect(meanwhile).toBeUndefined()
    // What the entity changed is its own, as in every save.
    const after = { ...row, tenantId: 2, iban: 'of others', data: { pin: 2 }, direct: 'changed' }
    expect(await accounts().find()).toEqual([after])
    const again = await accounts().findOneByOrFail({ id: 1 })
    await accounts().save(Object.assign(again, { tenantId: 3 }))
    expect(await accounts().find()).toEqual([{ ...after, tenantId: 3 }])
  })

  it('and stores what the entity changes afterwards', async () => {
    const account = await accounts().findOneByOrFail({ id: 1 })
    account.tenantId = 2
    await accounts().save(account)
    Object.assign(account, { iban: 'later', data: { pin: 3 }, direct: 'later' })
    await accounts().save(account)
    const later = { ...row, tenantId: 2, iban: 'later', data: { pin: 3 }, direct: 'later' }
    expect(await accounts().find()).toEqual([later])

    Object.assign(account, { iban: 'changed', data: { pin: 4 }, direct: null })
    await accounts().save({ id: 1, iban: 'of others', data: { pin: 5 }, direct: 'of others' })
    await accounts().save(account)
    expect(await accounts().find()).toEqual([{ ...later, iban: 'changed', data: { pin: 4 }, direct: null }])
  })

  it('also after an update that failed', async () => {
    const account = await accounts().findOneByOrFail({ id: 1 })
    account.tenantId = 2
    await dataSource.transaction(async (manager) => {
      meanwhile = () => Promise.reject(new Error('another listener failed'))
      await expect(
        manager.transaction((inner) => inner.getRepository(Account).save(account)),
      ).rejects.toThrow('another listener failed')
      const other = await manager.findOneByOrFail(Account, { id: 1 })
      await manager.update(Account, { id: 1, tenantId: 1, regionId: 1 }, { iban: 'of others' })
      other.iban = 'changed'
      await manager.save(other)
      other.iban = row.iban
      await manager.save(other)
    })
    expect(await accounts().find()).toEqual([row])
  })

  it('and what they emptied', async () => {
    const account = await accounts().findOneByOrFail({ id: 1 })
    account.tenantId = 2
    meanwhile = () => query('UPDATE account SET direct = NULL WHERE id = 1', [])
    await accounts().save(account)
    expect(await accounts().find()).toEqual([{ ...row, tenantId: 2, direct: null }])
  })

  it('without a transaction as well, and for many', async () => {
    await accounts().insert({ ...row, id: 2 })
    const [one, two] = await accounts().find({ order: { id: 'ASC' } })
    for (const account of [one!, two!]) account.tenantId = 2
    meanwhile = () => store('iban', 'of others')
    await accounts().save([one!, two!], { transaction: false })
    expect((await accounts().find({ order: { id: 'ASC' } })).map(({ iban }) => iban)).toEqual([
      'of others',
      'first',
    ])
  })

  it('is refused where the blind index would be that of another value', async () => {
    const members = dataSource.getRepository(Member)
    await members.insert({ id: 1, tenantId: 1, email: 'a@b.c' })
    const member = await members.findOneByOrFail({ id: 1 })
    member.tenantId = 2
    meanwhile = async () => {
      const sealed = await app.encryption.encryptAll(Member, { email: 'x@y.z' }, { tenantId: 1 })
      const [[name], [value]] = [Object.keys(sealed), Object.values(sealed)]
      await query(`UPDATE member SET ${db().quote(name!)} = ? WHERE id = 1`, [value])
    }
    const error = await failure(members.save(member))
    expect(error).toMatchObject({ code: 'ROW_UNKNOWN', property: 'email' })
    member.tenantId = 2
    await members.save(
      await members.findOneByOrFail({ id: 1 }).then((found) => Object.assign(found, { tenantId: 2 })),
    )
    expect(await members.findOneByOrFail({ id: 1 })).toMatchObject({ tenantId: 2 })
  })
})
