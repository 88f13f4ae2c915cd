import { Column, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { encryptColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication } from '../../support/encryption'

@Entity()
class Note {
  @PrimaryColumn('int') id!: number
  @Column() label!: string
  @KmsEncrypted({ type: 'string', storage: 'text' }) text!: string
}

describeDatabases(
  'A SQLite database in UTF-16',
  (db) => {
    it('serves the application, and is refused by passes, which compare bytes', async () => {
      await db().rawQuery("PRAGMA encoding = 'UTF-16le'")
      // The first table decides for good.
      await db().rawQuery('CREATE TABLE first_one (id integer)')
      const application = await startApplication(db(), [Note])
      const { dataSource } = application
      expect(await db().rawQuery('PRAGMA encoding')).toEqual([{ encoding: 'UTF-16le' }])
      const notes = dataSource.getRepository(Note)
      await notes.save({ id: 1, label: 'é', text: 'é' })
      expect(await notes.findOneBy({ id: 1 })).toEqual({ id: 1, label: 'é', text: 'é' })
      await db().rawQuery("INSERT INTO note VALUES (2, 'plain', 'plain')")
      const error = await failure(encryptColumns(dataSource, Note, ['text']))
      expect(error).toMatchObject({ code: 'COLUMN_TYPE', entity: 'Note', property: 'text' })
      expect(error.message).toContain('UTF-16le')
      expect(await db().rawQuery('SELECT text FROM note WHERE id = 2')).toEqual([{ text: 'plain' }])
      await application.stop()
    })
  },
  { databases: ['sqlite'] },
)
