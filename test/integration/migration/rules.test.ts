import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, encryptColumns, verifyColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Ruled {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) secret!: string
}

describeDatabases(
  'a table with a rule for UPDATE',
  (db) => {
    let app: TestApplication
    beforeEach(async () => {
      app = await startApplication(db(), [Ruled])
      await db().rawQuery('INSERT INTO ruled VALUES (1, ?), (2, ?)', [Buffer.from('a'), Buffer.from('b')])
    })
    afterEach(() => app.stop())

    it.each([
      ['NOTHING', ''],
      ['UPDATE ruled SET id = OLD.id WHERE false', 'WHERE OLD.id = 1'],
    ])('is refused before the first row where it does another thing instead: %s', async (what, where) => {
      await db().rawQuery(`CREATE RULE keep AS ON UPDATE TO ruled ${where} DO INSTEAD ${what}`)
      const error = await failure(encryptColumns(app.dataSource, Ruled, ['secret']))
      expect(error).toMatchObject({ code: 'COLUMN_TYPE', entity: 'Ruled', property: 'secret' })
      expect(error.message).toContain('the rule keep')
      const [statement = ''] = /ALTER TABLE [^;]+/.exec(error.message) ?? []
      // It writes nothing.
      expect(await verifyColumns(app.dataSource, Ruled, ['secret'])).toMatchObject([{ failed: 2 }])
      await db().rawQuery(statement)
      await encryptColumns(app.dataSource, Ruled, ['secret'])
      expect(await columnStatus(app.dataSource, Ruled, 'secret')).toMatchObject({ plaintext: 0, rows: 2 })
    })

    it('is gone through where it does another thing besides', async () => {
      await db().rawQuery('CREATE RULE tell AS ON UPDATE TO ruled DO ALSO NOTIFY ruled')
      await encryptColumns(app.dataSource, Ruled, ['secret'])
      expect(await columnStatus(app.dataSource, Ruled, 'secret')).toMatchObject({ plaintext: 0, rows: 2 })
    })
  },
  { databases: ['postgres'] },
)
