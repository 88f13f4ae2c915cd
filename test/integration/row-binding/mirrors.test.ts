import { Column, Entity, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { encryptColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Guest {
  @PrimaryColumn('int') id!: number
  @Column('int') tenant!: number
  @Column('varchar', { nullable: true, length: 100 }) name!: string | null
  @KmsEncrypted({
    type: 'string',
    nullable: true,
    mirrorOf: 'name',
    keyPer: ['tenant'],
    boundTo: { row: ['id'] },
  })
  sealed?: string | null
}

@Entity()
class Visit {
  @PrimaryGeneratedColumn() id!: number
  @Column('varchar', { nullable: true, length: 100 }) purpose!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, mirrorOf: 'purpose', boundTo: { row: ['id'] } })
  sealed?: string | null
}

@Entity()
class Member {
  @PrimaryColumn('int') id!: number
  @Column('int') tenant!: number
  @KmsEncrypted({
    type: 'string',
    nullable: true,
    mirrorTo: 'name',
    keyPer: ['tenant'],
    boundTo: { row: ['id'] },
  })
  sealed!: string | null
  @Column('varchar', { nullable: true, length: 100 }) name?: string | null
}

describeDatabases('A mirror whose values are bound to their rows', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Guest, Visit, Member], {})
  })
  afterAll(() => app.stop())

  type Target = typeof Guest | typeof Visit | typeof Member
  const verified = async (target: Target): Promise<unknown> =>
    (await verifyColumns(app.dataSource, target, ['sealed']))[0]
  const whole = (rows: number) => ({
    rows,
    failed: 0,
    mirror: { compared: rows, differing: 0, notFilled: 0 },
  })

  it('is written with its leader, and filled', async () => {
    const guests = app.dataSource.getRepository(Guest)
    await guests.insert([
      { id: 1, tenant: 1, name: 'A' },
      { id: 2, tenant: 2, name: 'B' },
    ])
    expect(await verified(Guest)).toMatchObject(whole(2))
    await guests.save({ id: 3, tenant: 1, name: 'C' })
    await guests.update({ id: 2 }, { name: 'B2' })
    expect(await verified(Guest)).toMatchObject(whole(3))
    await guests.save([
      { id: 3, tenant: 1, name: 'C2' },
      { id: 4, tenant: 2, name: 'D' },
    ])
    expect(await verified(Guest)).toMatchObject(whole(4))
    const one = await guests.findOneByOrFail({ id: 1 })
    one.name = 'A2'
    await guests.save(one)
    expect(await verified(Guest)).toMatchObject(whole(4))
    const two = await guests.findOneByOrFail({ id: 2 })
    two.tenant = 1
    // The value of the mirror is not loaded, so it is not at hand to be encrypted anew.
    expect(await failure(guests.save(two))).toMatchObject({ code: 'ROW_UNKNOWN' })
    await guests.update({ id: 2 }, { tenant: 1, name: 'B3' })
    expect(await verified(Guest)).toMatchObject(whole(4))
    await db().rawQuery('UPDATE guest SET sealed = NULL')
    expect(await encryptColumns(app.dataSource, Guest, ['sealed'])).toMatchObject([{ changed: 4 }])
    expect(await verified(Guest)).toMatchObject(whole(4))
    const ofTenant = guests.createQueryBuilder().update().where('tenant = :tenant', { tenant: 2 })
    await ofTenant.set({ name: 'E' }).execute()
    expect(await verified(Guest)).toMatchObject(whole(4))
  })

  it('has ids of the database', async () => {
    const visits = app.dataSource.getRepository(Visit)
    await visits.insert({ purpose: 'x' })
    await visits.save([{ purpose: 'y' }, { purpose: 'z' }])
    expect(await verified(Visit)).toMatchObject(whole(3))
    await db().rawQuery('UPDATE visit SET sealed = NULL')
    expect(await encryptColumns(app.dataSource, Visit, ['sealed'])).toMatchObject([{ changed: 3 }])
    expect(await verified(Visit)).toMatchObject(whole(3))
  })

  it('leads', async () => {
    const members = app.dataSource.getRepository(Member)
    await members.insert([
      { id: 1, tenant: 1, sealed: 'A' },
      { id: 2, tenant: 2, sealed: 'B' },
    ])
    await members.update({ id: 2 }, { sealed: 'B2' })
    const one = await members.findOneByOrFail({ id: 1 })
    one.sealed = 'A2'
    await members.save(one)
    one.tenant = 2
    await members.save(one)
    await members.save([
      { id: 2, tenant: 2, sealed: 'B3' },
      { id: 3, tenant: 1, sealed: 'C' },
    ])
    expect(await verified(Member)).toMatchObject(whole(3))
    expect(await db().rawQuery('SELECT id, name FROM member ORDER BY id')).toEqual([
      { id: 1, name: 'A2' },
      { id: 2, name: 'B3' },
      { id: 3, name: 'C' },
    ])
  })
})
