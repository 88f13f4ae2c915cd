import 'reflect-metadata'
import { Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { failure, startApplication, type TestApplication } from '../support/encryption'

/** TypeORM lists entities in the order in which their classes are defined. */
@Entity('account')
class EarlyMigrating {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ acceptPlaintext: true }) token!: string
}

@Entity('account')
class Strict {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() token!: string
}

@Entity('account')
class Migrating {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ acceptPlaintext: true }) token!: string
}

@Entity('account')
class Renamed {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ boundTo: { table: 'customer' } }) token!: string
}

describeDatabases('several entities over one table', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Strict, Migrating, Renamed])
  })
  afterAll(() => app.stop())

  it('read each value by their own declaration, whichever was declared first', async () => {
    const { dataSource } = app
    const strict = await dataSource.getRepository(Strict).save({ token: 'strict' })
    const renamed = await dataSource.getRepository(Renamed).save({ token: 'renamed' })
    const plain = await dataSource.getRepository(Strict).save({ token: 'x' })
    const table = db().quote('account')
    await db().rawQuery(`UPDATE ${table} SET token = ? WHERE id = ?`, [Buffer.from('plain'), plain.id])

    for (const { dataSource } of [app, await app.restart()]) {
      const [first, second, third] = [Strict, Migrating, Renamed].map((Entity) =>
        dataSource.getRepository(Entity),
      )
      expect((await first!.findOneByOrFail({ id: strict.id })).token).toBe('strict')
      expect((await second!.findOneByOrFail({ id: strict.id })).token).toBe('strict')
      expect((await third!.findOneByOrFail({ id: renamed.id })).token).toBe('renamed')
      expect((await second!.findOneByOrFail({ id: plain.id })).token).toBe('plain')
      expect(await failure(first!.findOneBy({ id: plain.id }))).toMatchObject({
        code: 'PLAINTEXT_FOUND',
        entity: 'Strict',
      })
      expect(await failure(third!.findOneBy({ id: strict.id }))).toMatchObject({ entity: 'Renamed' })
      expect(await failure(first!.findOneBy({ id: renamed.id }))).toMatchObject({
        code: 'CIPHERTEXT_WRONG_CONTEXT',
      })
    }
  })

  it.each([
    ['strict', Migrating],
    ['migrating', EarlyMigrating],
  ])('take pages of rows by their own declaration, with the %s one first', async (_, Accepting) => {
    const own = await startApplication(db(), [Strict, Accepting])
    const { dataSource } = own
    const rows = await dataSource.getRepository(Strict).save([{ token: 'a' }, { token: 'b' }, { token: 'c' }])
    const id = rows[1]!.id
    const table = db().quote('account')
    await db().rawQuery(`UPDATE ${table} SET token = ? WHERE id = ?`, [Buffer.from('plain'), id])
    const order = { id: 'ASC' } as const
    try {
      for (const { manager } of [dataSource, (await own.restart()).dataSource]) {
        const refusal = { code: 'PLAINTEXT_FOUND', entity: 'Strict', primaryKey: { id } }
        expect(await failure(manager.find(Strict, { order }))).toMatchObject(refusal)
        const found = await manager.find(Accepting, { order })
        expect(found.map(({ token }) => token)).toEqual(['a', 'plain', 'c'])
      }
    } finally {
      await own.stop()
    }
  })
})
