import { EncryptCommand } from '@aws-sdk/client-kms'
import {
  Column,
  type DataSource,
  DefaultNamingStrategy,
  Entity,
  PrimaryColumn,
  type QueryRunner,
} from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { sqlite } from '../../../../src/dialects/sqlite'
import { type ColumnChange, columnChange } from '../../../../src/migration/generate/column-change'
import { encryptedColumn } from '../../../../src/migration/target'
import { type TestDatabase } from '../../../support/databases'
import { createSqliteDatabase } from '../../../support/databases/sqlite'
import { KEY, startApplication, type TestApplication, withIndexKey } from '../../../support/encryption'

@Entity()
class Member {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { nullable: true }) name!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, search: true, acceptPlaintext: true }) mail!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, storage: 'text' }) town!: string | null
}

@Entity('settings')
class Settings {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'json', nullable: true }) colours!: unknown
}

let db: TestDatabase
let app: TestApplication
let dataSource: DataSource
let runner: QueryRunner

beforeAll(async () => {
  db = await createSqliteDatabase()
  app = await startApplication(db, [Member, Settings], withIndexKey)
  dataSource = app.dataSource
  runner = dataSource.createQueryRunner()
})
afterAll(async () => {
  await runner.release()
  await app.stop()
  await db.drop()
})
afterEach(() => {
  jest.restoreAllMocks()
})

const change = (property: keyof Member = 'mail'): Promise<ColumnChange | undefined> =>
  columnChange(runner, encryptedColumn(dataSource, Member, property))
/** The table as it was before the entity was changed. */
async function tableWith(...columns: string[]): Promise<void> {
  await db.rawQuery('DROP TABLE IF EXISTS member')
  await db.rawQuery(`CREATE TABLE member (${['id int PRIMARY KEY', ...columns].join(', ')})`)
}
const TOWN = ['name varchar', 'town text']
/** The database says more of a column than SQLite does. */
async function withColumn(name: string, more: object): Promise<void> {
  const found = await runner.getTable('member')
  Object.assign(found?.findColumnByName(name) ?? {}, more)
  jest.spyOn(runner, 'getTable').mockResolvedValue(found)
}
const oldOf = async (): Promise<unknown> => {
  const found = await change()
  return found?.kind === 'alteration' ? found.column.old : undefined
}

describe('the change of a column', () => {
  it('is none without its table, or where it is as it is declared and empty', async () => {
    await db.rawQuery('DROP TABLE member')
    expect(await change()).toBeUndefined()
    await tableWith(...TOWN, 'mail blob', 'mail_index blob')
    expect(await change()).toBeUndefined()
    expect(await change('town')).toBeUndefined()
  })

  it('is an addition where the table has not got it', async () => {
    await tableWith(...TOWN)
    expect(await change()).toMatchObject({
      kind: 'addition',
      column: { name: 'mail', type: 'blob', kind: 'binary', nullable: true, valueType: 'string' },
      indexColumns: [{ name: 'mail_index' }],
    })
  })

  it.each<[string, columns: string[], old: string | undefined]>([
    ['one column is left over', ['old_mail varchar'], 'old_mail'],
    ['its index is there', ['old_mail varchar', 'mail_index blob'], 'old_mail'],
    ['one is left over, and an index of another name', ['old_mail varchar', 'mail_other blob'], 'old_mail'],
    ['two are left over', ['old_mail varchar', 'another varchar'], undefined],
    ['only an index is left over', ['mail_other blob'], undefined],
    ['only one of a column that is not there is left over', ['town_index blob'], undefined],
  ])('is a renaming or not, where %s', async (_, columns, old) => {
    await tableWith(...TOWN, ...columns)
    const found = await change()
    expect(found?.kind).toBe(old === undefined ? 'addition' : 'alteration')
    if (found?.kind === 'alteration') expect(found.column.old.name).toBe(old)
  })

  it('knows the column of an index whose name does not begin like that of the value', async () => {
    class Suffixed extends DefaultNamingStrategy {
      override columnName(property: string, given: string | undefined): string {
        return given ?? `${property}_c`
      }
    }
    const { dataSource: other } = await app.restart({}, { namingStrategy: new Suffixed() })
    await db.rawQuery('DROP TABLE IF EXISTS member')
    await db.rawQuery(
      'CREATE TABLE member (id_c int PRIMARY KEY, name_c varchar, town_c text, old_mail varchar, mail_index_c blob)',
    )
    const otherRunner = other.createQueryRunner()
    const found = await columnChange(otherRunner, encryptedColumn(other, Member, 'mail'))
    await otherRunner.release()
    expect(found).toMatchObject({ kind: 'alteration', column: { name: 'mail_c', old: { name: 'old_mail' } } })
  })

  it('is an addition where another column of the entity is missing as well', async () => {
    await tableWith('town text', 'old_mail varchar')
    expect((await change())?.kind).toBe('addition')
  })

  it.each<[type: string, holds: { plaintext: boolean; ciphertext: boolean }]>([
    ['varchar', { plaintext: true, ciphertext: false }],
    ['blob', { plaintext: false, ciphertext: true }],
  ])('tells by the type of a renamed column what it holds: %s', async (type, holds) => {
    await tableWith(...TOWN, `old_mail ${type}`)
    expect(await change()).toMatchObject({ kind: 'alteration', column: { holds } })
  })

  it('has what the column is now', async () => {
    await tableWith(
      ...TOWN,
      "mail varchar(30) NOT NULL DEFAULT 'none'",
      'UNIQUE (name, town)',
      'UNIQUE (mail, name)',
    )
    await db.rawQuery('CREATE INDEX of_mail ON member (mail)')
    await db.rawQuery('CREATE INDEX of_name ON member (name)')
    const found = await change()
    expect(found).toMatchObject({
      kind: 'alteration',
      column: {
        old: {
          name: 'mail',
          type: 'varchar',
          kind: 'text',
          nullable: false,
          length: '30',
          default: "'none'",
        },
        holds: { plaintext: true, ciphertext: false },
      },
      indexColumns: [{ name: 'mail_index' }],
    })
    if (found?.kind !== 'alteration') throw new Error('an alteration')
    expect(found.indexes).toHaveLength(2)
    expect(found.indexes).toContain('of_mail')
  })

  it.each(['mail varchar', 'mail varchar DEFAULT NULL'])(
    'has no default where there is none: %s',
    async (column) => {
      await tableWith(...TOWN, column)
      const found = await change()
      if (found?.kind !== 'alteration') throw new Error('an alteration')
      expect(found.column.old.default).toBeUndefined()
    },
  )

  it('keeps the comment of the column, which it may not have', async () => {
    await tableWith(...TOWN, 'mail varchar')
    await withColumn('mail', { comment: "the member's" })
    expect(await oldOf()).toMatchObject({ comment: "the member's" })
    await withColumn('mail', { comment: null, default: null })
    expect(await oldOf()).toMatchObject({ comment: undefined, default: undefined })
  })

  it('keeps the character set and collation of text, and of nothing else', async () => {
    jest.spyOn(sqlite, 'textOptions').mockResolvedValue(' COLLATE NOCASE')
    await tableWith(...TOWN, 'mail varchar(30)')
    expect(await oldOf()).toMatchObject({ fullType: 'varchar(30) COLLATE NOCASE' })
    await tableWith(...TOWN, 'mail double')
    expect(await oldOf()).toMatchObject({ kind: 'other', fullType: 'double' })
    for (const type of ['double', 'FLOAT']) {
      await withColumn('mail', { type, length: '22' })
      expect(await oldOf()).toMatchObject({ fullType: type })
    }
  })

  it('is refused where the values are not of the declared type, under the name that they have now', async () => {
    const settings = (): Promise<ColumnChange | undefined> =>
      columnChange(runner, encryptedColumn(dataSource, Settings, 'colours'))
    const refused = { code: 'DECLARED_TYPE', entity: 'Settings', property: 'colours' }
    for (const name of ['colours', 'old_colours']) {
      await db.rawQuery('DROP TABLE IF EXISTS settings')
      await db.rawQuery(`CREATE TABLE settings (id int PRIMARY KEY, ${name} varchar)`)
      await db.rawQuery("INSERT INTO settings VALUES (1, 'red')")
      await expect(settings()).rejects.toMatchObject(refused)
      await db.rawQuery(`UPDATE settings SET ${name} = '["red"]'`)
      expect(await settings()).toMatchObject({ kind: 'alteration', column: { old: { name } } })
    }
    // Nothing of a binary column under another name will be encrypted.
    await db.rawQuery('DROP TABLE settings')
    await db.rawQuery('CREATE TABLE settings (id int PRIMARY KEY, old_colours blob)')
    await db.rawQuery("INSERT INTO settings VALUES (1, x'ff')")
    expect(await settings()).toMatchObject({ column: { holds: { plaintext: false, ciphertext: true } } })
  })

  it('counts what another program encrypted with KMS as ciphertext', async () => {
    await tableWith(...TOWN, 'mail blob', 'mail_index blob')
    const { CiphertextBlob } = await app.client.send(
      new EncryptCommand({ KeyId: KEY, Plaintext: Buffer.from('a') }),
    )
    const add = (id: number, value: Buffer): Promise<unknown> =>
      db.rawQuery('INSERT INTO member (id, mail) VALUES (?, ?)', [id, value])
    await add(1, Buffer.from(CiphertextBlob!))
    await add(2, Buffer.from('plaintext'))
    expect(await change()).toMatchObject({ column: { holds: { plaintext: true, ciphertext: true } } })
  })

  it('has plaintext to encrypt as long as one row has', async () => {
    await tableWith(...TOWN, 'mail blob', 'mail_index blob')
    const members = dataSource.getRepository(Member)
    await members.insert({ id: 1, mail: 'a' })
    expect(await change()).toBeUndefined()
    await db.rawQuery('INSERT INTO member (id, mail) VALUES (2, ?)', [Buffer.from('plaintext')])
    expect(await change()).toMatchObject({ column: { holds: { plaintext: true, ciphertext: true } } })
    await db.rawQuery('DELETE FROM member WHERE id = 1')
    expect(await change()).toMatchObject({ column: { holds: { plaintext: true, ciphertext: false } } })
  })

  it('asks for all rows, of which none may be hidden', async () => {
    await tableWith(...TOWN, 'mail varchar')
    const hiddenBy = jest.spyOn(sqlite, 'hiddenBy').mockResolvedValue('policy')
    await expect(change()).rejects.toMatchObject({ code: 'ROWS_HIDDEN', entity: 'Member', property: 'mail' })
    expect(hiddenBy.mock.calls).toEqual([[runner, { path: 'member', table: '"member"' }]])
  })
})
