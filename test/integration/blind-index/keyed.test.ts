import { inspect } from 'node:util'
import {
  Column,
  Entity,
  In,
  ManyToOne,
  Not,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  type Repository,
} from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, encryptColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

@Entity()
class Patient {
  @PrimaryColumn() id!: number
  @Column({ type: 'integer' }) tenant!: number
  @Column({ default: '' }) note!: string
  @KmsEncrypted({ search: true, unique: 'perKey', keyPer: ['tenant'] }) email!: string
  @KmsEncrypted({
    type: 'string',
    search: true,
    keyPer: { owner: 'tenant' },
    boundTo: { row: ['id'] },
    storage: 'text',
    nullable: true,
  })
  phone!: string | null
}

@Entity()
class Contact {
  @PrimaryColumn() id!: number
  @Column({ type: 'integer' }) tenant!: number
  @Column({ default: '' }) note!: string
  @KmsEncrypted({ search: true, unique: 'perKey', keyPer: ['tenant'] }) email!: string
}

@Entity()
class Visit {
  @PrimaryGeneratedColumn() id!: number
  @ManyToOne(() => Patient) patient!: Patient
}

describe.each<[string, (test: Parameters<typeof withIndexKey>[0]) => Promise<object>]>([
  ['an index key in the options', withIndexKey],
  ['stored data keys', () => Promise.resolve({ dataKeys: { lease: 500 } })],
])('An index for each tenant, with %s', (name, options) => {
  describeDatabases('is', (db) => {
    let app: TestApplication
    let patients: Repository<Patient>

    beforeAll(async () => {
      app = await startApplication(db(), [Patient, Visit, Contact], options)
      patients = app.dataSource.getRepository(Patient)
      await patients.save([
        { id: 1, tenant: 1, email: 'a@x', phone: '1' },
        { id: 2, tenant: 2, email: 'a@x', phone: '1' },
        { id: 3, tenant: 1, email: 'b@x', phone: null },
      ])
      await app.dataSource.getRepository(Visit).save([{ patient: { id: 1 } }, { patient: { id: 2 } }])
    })
    afterAll(() => app.stop())

    const ids = async (where: Parameters<Repository<Patient>['findBy']>[0]): Promise<number[]> =>
      (await patients.findBy(where)).map(({ id }) => id).sort()

    test('another one for each', async () => {
      const rows = await db().rawQuery('SELECT email_index, phone_index FROM patient ORDER BY id')
      const texts = rows.map((row) => JSON.stringify(row['email_index']))
      expect(new Set(texts).size).toBe(3)
      expect(rows[0]!['phone_index']).not.toEqual(rows[1]!['phone_index'])
      expect(rows[2]!['phone_index']).toBeNull()
      const { encryption } = app
      expect(await encryption.indexOf(Patient, 'email', 'a@x', undefined, { tenant: 2 })).toEqual(
        rows[1]!['email_index'],
      )
      expect(await encryption.encryptAll(Patient, { email: 'a@x' }, { tenant: 1, id: 1 })).toMatchObject({
        email_index: rows[0]!['email_index'],
      })
    })

    test('searched where the tenant is given', async () => {
      expect(await ids({ tenant: 1, email: 'a@x' })).toEqual([1])
      expect(await ids({ tenant: 2, email: In(['a@x', 'b@x']) })).toEqual([2])
      expect(await ids({ tenant: In([1]), email: Not('a@x') })).toEqual([3])
      expect(await ids({ tenant: 2, phone: '1', email: 'a@x' })).toEqual([2])
      expect(
        await ids([
          { tenant: 1, email: 'a@x' },
          { tenant: 1, email: 'b@x' },
        ]),
      ).toEqual([1, 3])
      expect(await patients.findAndCount({ where: { tenant: 1, email: 'a@x' }, take: 1 })).toMatchObject([
        [{ id: 1 }],
        1,
      ])
      const builder = patients
        .createQueryBuilder('p')
        .where('p.email = :e AND p.tenant = :t', { e: 'a@x', t: 2 })
      expect((await builder.getMany()).map(({ id }) => id)).toEqual([2])
      const visits = app.dataSource.getRepository(Visit)
      const [page, total] = await visits.findAndCount({
        where: { patient: { tenant: 2, email: 'a@x' } },
        relations: { patient: true },
        order: { id: 'ASC' },
        skip: 0,
        take: 5,
      })
      expect([page.map(({ patient }) => patient.id), total]).toEqual([[2], 1])
    })

    test.each<[string, () => Promise<unknown>]>([
      ['no tenant', () => patients.findBy({ email: 'a@x' })],
      ['several tenants', () => patients.findBy({ tenant: In([1, 2]), email: 'a@x' })],
      [
        'alternatives of several tenants',
        () =>
          patients.findBy([
            { tenant: 1, email: 'a@x' },
            { tenant: 2, email: 'b' },
          ]),
      ],
      ['a tenant of one alternative', () => patients.findBy([{ tenant: 1, email: 'a@x' }, { email: 'b' }])],
      ['another condition on the tenant', () => patients.findBy({ tenant: Not(1), email: 'a@x' })],
      ['an update', () => patients.update({ email: 'a@x' }, { note: 'x' })],
      ['a delete', () => patients.delete({ email: 'a@x' })],
    ])('refused without one: %s', async (_, search) => {
      const error = await failure(search())
      expect(error).toMatchObject({ code: 'SEARCH_REFUSED', property: 'email' })
      expect(error.message).toContain('tenant')
    })

    test('written by updates, which need not say the tenant, and by moves to another', async () => {
      await patients.update({ id: 3 }, { email: 'c@x', phone: '9' })
      expect(await ids({ tenant: 1, email: 'c@x', phone: '9' })).toEqual([3])
      const moved = await patients.findOneByOrFail({ id: 3 })
      moved.tenant = 2
      await patients.save(moved)
      expect([await ids({ tenant: 1, email: 'c@x' }), await ids({ tenant: 2, email: 'c@x' })]).toEqual([
        [],
        [3],
      ])
      await patients.update({ tenant: 2, email: 'c@x' }, { note: 'found' })
      expect((await patients.findOneByOrFail({ id: 3 })).note).toBe('found')
      await patients.save({ id: 3, tenant: 1, email: 'b@x', phone: null })
      expect(await verifyColumns(app.dataSource, Patient, ['email', 'phone'])).toMatchObject([
        { failed: 0 },
        { failed: 0 },
      ])
    })

    test('unique for each', async () => {
      const error = await failure(patients.insert({ id: 9, tenant: 1, email: 'a@x' }))
      expect(error.message).toMatch(/^Patient\.email: /)
      await patients.insert({ id: 9, tenant: 2, email: 'b@x' })
      await patients.delete({ tenant: 2, email: 'b@x' })
      expect(await patients.countBy({ id: 9 })).toBe(0)
    })

    test('a conflict path, where the statement can name it', async () => {
      const contacts = app.dataSource.getRepository(Contact)
      const upsert = (id: number, tenant: number) =>
        contacts.upsert({ id, tenant, email: 'a@x', note: `from ${id}` }, ['email'])
      if (db().name === 'mariadb') {
        expect(await failure(upsert(1, 1))).toMatchObject({ code: 'ROW_UNKNOWN' })
        return
      }
      await upsert(1, 1)
      await upsert(2, 2)
      await contacts.upsert({ id: 1, tenant: 1, email: 'a@x', note: 'again' }, ['email'])
      expect(await contacts.findBy({ tenant: 1, email: 'a@x' })).toMatchObject([{ id: 1, note: 'again' }])
      expect(await contacts.findBy({ tenant: 2, email: 'a@x' })).toMatchObject([{ id: 2, note: 'from 2' }])
      const builder = contacts.createQueryBuilder().insert()
      const values = { id: 3, tenant: 2, email: 'a@x', note: 'by a builder' }
      await builder.values(values).orUpdate(['email', 'note'], ['email']).execute()
      expect(await contacts.findBy({ tenant: 2, email: 'a@x' })).toMatchObject([
        { id: 2, note: 'by a builder' },
      ])
    })

    test('filled by the tool', async () => {
      await db().rawQuery('UPDATE patient SET email_index = NULL, phone_index = NULL')
      const { dataSource } = await app.restart()
      expect(await encryptColumns(dataSource, Patient, ['email', 'phone'])).toMatchObject([
        { changed: 3 },
        { changed: 2 },
      ])
      expect((await columnStatus(dataSource, Patient, 'email')).indexes).toMatchObject([{ missing: 0 }])
      expect(await dataSource.getRepository(Patient).countBy({ tenant: 2, email: 'a@x' })).toBe(1)
    })

    test('not trusted', async () => {
      const victim = await app.encryption.indexOf(Patient, 'email', 'a@x', undefined, { tenant: 1 })
      await db().rawQuery('UPDATE patient SET email_index = ? WHERE id = 1', [Buffer.alloc(16, 1)])
      await db().rawQuery('UPDATE patient SET email_index = ? WHERE id = 3', [victim])
      expect(await failure(patients.findBy({ tenant: 1, email: 'a@x' }))).toMatchObject({
        code: 'INDEX_WRONG',
      })
      await db().rawQuery('UPDATE patient SET email_index = NULL')
      await encryptColumns(app.dataSource, Patient, ['email'])
    })

    if (name === 'stored data keys') {
      test('gone with the tenant', async () => {
        const indexes = () =>
          db().rawQuery('SELECT id, email_index FROM patient WHERE email_index IS NOT NULL ORDER BY id')
        const before = await indexes()
        await app.encryption.forget({ tenant: '2' })
        const after = await indexes()
        expect(after.map(({ id }) => id)).toEqual(before.map(({ id }) => id))
        const changed = after.filter((row, at) => inspect(row) !== inspect(before[at])).map(({ id }) => id)
        expect(changed).toEqual([2])
        // Of what is forgotten no index is made, and it does not count as left out.
        await db().rawQuery('UPDATE patient SET email_index = NULL WHERE id = 2')
        expect(await encryptColumns(app.dataSource, Patient, ['email'])).toMatchObject([{ changed: 1 }])
        expect(
          await encryptColumns(app.dataSource, Patient, ['email'], { rebuildIndexes: true }),
        ).toMatchObject([{ changed: 0, forgotten: 1 }])
        expect((await columnStatus(app.dataSource, Patient, 'email')).indexes).toMatchObject([{ missing: 0 }])
        const { dataSource } = await app.restart()
        // A new key of the tenant finds nothing of before.
        expect(await dataSource.getRepository(Patient).countBy({ tenant: 2, email: 'a@x' })).toBe(0)
      })
    }
  })
})
