import { Column, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication, withIndexKey } from '../../support/encryption'

@Entity()
class Bound {
  @PrimaryColumn() id!: number
  @Column() count!: number
  @KmsEncrypted({ search: true, boundTo: { row: ['id'] } }) email!: string
}

describeDatabases('Values that are bound to their row are searched', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [Bound], withIndexKey)
  })
  afterAll(() => app.stop())

  test('and written by what is searched, and compared after opening', async () => {
    const rows = app.dataSource.getRepository(Bound)
    await rows.insert([
      { id: 1, count: 0, email: 'a@x' },
      { id: 2, count: 0, email: 'b@x' },
    ])
    expect(await rows.findOneBy({ email: 'b@x' })).toMatchObject({ id: 2 })
    await rows.update({ email: 'b@x' }, { email: 'c@x', count: 5 })
    await rows.update({ id: 1 }, { email: 'd@x' })
    expect(await rows.find({ order: { id: 'ASC' } })).toMatchObject([
      { email: 'd@x' },
      { email: 'c@x', count: 5 },
    ])
    expect(await rows.findBy({ email: 'c@x' })).toMatchObject([{ id: 2 }])
    await db().rawQuery('UPDATE bound SET email_index = ? WHERE id = 1', [
      await app.encryption.indexOf(Bound, 'email', 'c@x'),
    ])
    expect(await failure(rows.findBy({ email: 'c@x' }))).toMatchObject({ code: 'INDEX_WRONG' })
  })
})
