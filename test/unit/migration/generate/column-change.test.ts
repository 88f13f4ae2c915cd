import { Column, type DataSource, Entity, PrimaryColumn, type QueryRunner } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { sqlite } from '../../../../src/dialects/sqlite'
import { type ColumnChange, columnChange } from '../../../../src/migration/generate/column-change'
import { encryptedColumn } from '../../../../src/migration/target'
import { type TestDatabase } from '../../../support/databases'
import { createSqliteDatabase } from '../../../support/databases/sqlite'
import { startApplication, type TestApplication, withIndexKey } from '../../../support/encryption'

@Entity()
class Member {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { nullable: true }) name!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, search: true, acceptPlaintext: true }) mail!: string | null
  @KmsEncrypted({ type: 'string', nullable: true, storage: 'text' }) town!: string | null
}

let db: TestDatabase
let app: TestApplication
let dataSource: DataSource
let runner: QueryRunner

beforeAll(async () => {
  db = await createSqliteDatabase()
  app = await startApplication(db, [Member], withIndexKey)
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
    jest.spyOn(sqlite, 'hiddenBy').mockResolvedValue('policy')
    await expect(change()).rejects.toMatchObject({ code: 'ROWS_HIDDEN', entity: 'Member', property: 'mail' })
  })
})
