import { Column, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { encryptColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Note {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', nullable: true, storage: 'text' }) text!: string | null
}

@Entity()
class Label {
  @PrimaryColumn('int') id!: number
  @Column({ type: 'varchar', length: 20, charset: 'cp1250', nullable: true }) old!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, mirrorOf: 'old' }) text!: string | null
}

describeDatabases(
  'a text that the database cannot give in UTF-8',
  (db) => {
    let app: TestApplication
    beforeAll(async () => {
      app = await startApplication(db(), [Note, Label])
    })
    afterAll(() => app.stop())

    /** A row with these bytes beside one that has no such bytes. */
    async function insert(charset: string, hex: string): Promise<void> {
      await db().rawQuery('DELETE FROM note')
      await db().rawQuery(`ALTER TABLE note MODIFY text varchar(1000) CHARACTER SET ${charset}`)
      await db().rawQuery(`INSERT INTO note VALUES (1, 'why?'), (2, _${charset} X'${hex}')`)
    }

    it.each([
      ['cp1250', '81'],
      ['cp1251', '3F98'],
      ['greek', 'D2'],
      ['hebrew', 'FF'],
      ['sjis', '8740'],
      ['cp932', '3FFCFC'],
      ['euckr', 'FEFE'],
      ['ucs2', 'D800'],
      ['ucs2', 'D83DDD11'],
    ])('is not encrypted as another one: %s, %s', async (charset, hex) => {
      await insert(charset, hex)
      const error = await failure(encryptColumns(app.dataSource, Note, ['text']))
      expect(error).toMatchObject({
        code: 'INVALID_VALUE',
        entity: 'Note',
        property: 'text',
        primaryKey: { id: '2' },
      })
      expect(error.message).toContain('no characters of the character set of its column')
      expect(await db().rawQuery('SELECT HEX(text) AS hex FROM note WHERE id = 2')).toEqual([{ hex }])
      expect(await encryptColumns(app.dataSource, Note, ['text'], { skipFailed: true })).toMatchObject([
        { skipped: 1, failures: [{ primaryKey: { id: '2' }, code: 'INVALID_VALUE' }] },
      ])
      expect(await app.dataSource.manager.findOneBy(Note, { id: 1 })).toMatchObject({ text: 'why?' })
    })

    it.each([
      ['latin1', '81', '\u{81}'],
      ['cp1250', '3F8A3F', '?Š?'],
      ['sjis', '815F3F', '\\?'],
      // Two codes of one character.
      ['cp932', 'FA4A', 'Ⅰ'],
      ['cp932', '8754', 'Ⅰ'],
      ['armscii8', 'A5', '('],
      ['ucs2', '003F20AC', '?€'],
      ['utf8mb4', 'F09F94913F', '🔑?'],
    ])('is told from one that it can: %s, %s', async (charset, hex, text) => {
      await insert(charset, hex)
      await encryptColumns(app.dataSource, Note, ['text'])
      const rows = await app.dataSource.manager.find(Note, { order: { id: 'ASC' } })
      expect(rows.map((row) => row.text)).toEqual(['why?', text])
    })

    it('does not fill a mirror as another one', async () => {
      await db().rawQuery(
        "INSERT INTO label (id, old) VALUES (1, 'a?'), (2, _cp1250 X'3F81'), (3, _cp1250 X'8A')",
      )
      const error = await failure(encryptColumns(app.dataSource, Label, ['text']))
      expect(error).toMatchObject({
        code: 'INVALID_VALUE',
        entity: 'Label',
        property: 'text',
        primaryKey: { id: 2 },
      })
      expect(await encryptColumns(app.dataSource, Label, ['text'], { skipFailed: true })).toMatchObject([
        { skipped: 1, failures: [{ primaryKey: { id: 2 } }] },
      ])
      expect(await db().rawQuery('SELECT id FROM label WHERE text IS NULL')).toEqual([{ id: 2 }])
    })
  },
  { databases: ['mariadb'] },
)
