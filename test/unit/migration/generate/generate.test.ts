import {
  ChildEntity,
  Column,
  type DataSource,
  Entity,
  PrimaryColumn,
  TableInheritance,
  ViewColumn,
  ViewEntity,
} from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { generateMigration } from 'typeorm-kms-encrypted/migration'
import { KEY_TABLE_FIRST } from '../../../../src/migration/generate/key-table-changes'
import { type TestDatabase } from '../../../support/databases'
import { createSqliteDatabase } from '../../../support/databases/sqlite'
import { startApplication, type TestApplication } from '../../../support/encryption'

@Entity()
class Member {
  @PrimaryColumn('int') id!: number
  @Column('varchar', { nullable: true }) name!: string | null
  @KmsEncrypted({ type: 'string', nullable: true }) mail!: string | null
}

@Entity()
@TableInheritance({ column: { type: 'varchar', name: 'kind' } })
class Animal {
  @PrimaryColumn('int') id!: number
}

@ChildEntity()
class Cat extends Animal {
  @KmsEncrypted({ type: 'string', nullable: true }) secret!: string | null
}

@ViewEntity({ expression: 'SELECT id, name FROM member' })
class Shown {
  @ViewColumn() id!: number
  @KmsEncrypted({ type: 'string' }) name!: string
}

let db: TestDatabase
let app: TestApplication
let dataSource: DataSource

beforeAll(async () => {
  db = await createSqliteDatabase()
  app = await startApplication(db, [Member, Animal, Cat, Shown], { dataKeys: 'stored' })
  dataSource = app.dataSource
})
afterAll(async () => {
  await app.stop()
  await db.drop()
})
afterEach(() => {
  jest.restoreAllMocks()
})

/** The lines of a migration that change something. */
const linesOf = (text: string | undefined): string[] =>
  (text ?? '').split('\n').flatMap((line) => /^ {4,}(\/\/ .*|await .*)/.exec(line)?.[1] ?? [])

describe('a migration', () => {
  it('is none where the database is as the entities declare it', async () => {
    const runner = dataSource.createQueryRunner()
    const giveBack = jest.spyOn(runner, 'release')
    const take = jest.spyOn(dataSource, 'createQueryRunner')
    expect(await generateMigration(dataSource, 'Nothing')).toBeUndefined()
    expect(giveBack.mock.calls.length).toBe(take.mock.calls.length)
    jest.spyOn(dataSource.driver, 'createSchemaBuilder').mockImplementation(() => {
      throw new TypeError('a fault')
    })
    await expect(generateMigration(dataSource, 'Nothing')).rejects.toThrow('a fault')
    expect(giveBack.mock.calls.length).toBe(take.mock.calls.length)
  })

  it('encrypts the column of a child once, and none of a view', async () => {
    await db.rawQuery('ALTER TABLE animal RENAME COLUMN secret TO other')
    await db.rawQuery('ALTER TABLE animal ADD COLUMN secret varchar')
    await db.rawQuery('ALTER TABLE animal DROP COLUMN other')
    await db.rawQuery("INSERT INTO animal (id, kind, secret) VALUES (1, 'Cat', 'a')")
    const lines = linesOf(await generateMigration(dataSource, 'EncryptCats', 1))
    expect(lines.filter((line) => line.includes('encryptColumns('))).toEqual([
      expect.stringMatching(/^await encryptColumns\(queryRunner, '(Animal|Cat)', \['secret'\]\)$/),
    ])
    expect(lines.filter((line) => line.includes('shown'))).toEqual([])
    await db.rawQuery('DELETE FROM animal')
  })

  describe('without the key table', () => {
    beforeAll(async () => {
      await db.rawQuery('ALTER TABLE animal RENAME COLUMN secret TO other')
      await db.rawQuery('ALTER TABLE animal ADD COLUMN secret blob')
      await db.rawQuery('ALTER TABLE animal DROP COLUMN other')
      await db.rawQuery('DROP TABLE kms_data_key')
    })

    it('adds columns without it', async () => {
      await db.rawQuery('ALTER TABLE member RENAME COLUMN mail TO name_2')
      await db.rawQuery('ALTER TABLE member DROP COLUMN name_2')
      const lines = linesOf(await generateMigration(dataSource, 'AddMail', 1))
      expect(lines.filter((line) => /ADD COLUMN "mail"/.test(line))).toHaveLength(1)
      expect(lines).not.toContain(`// ${KEY_TABLE_FIRST}`)
    })

    it('makes that first, and nothing else, where values are to be encrypted', async () => {
      await db.rawQuery('ALTER TABLE member ADD COLUMN mail varchar')
      const lines = linesOf(await generateMigration(dataSource, 'EncryptMail', 1))
      expect(lines).toContain(`// ${KEY_TABLE_FIRST}`)
      expect(lines.filter((line) => line.includes('mail'))).toEqual([])
    })

    it.each([
      ['encryptMail', 'EncryptMail7'],
      ['encrypt private-keys, all of $them_2!', 'Encryptprivatekeysallof$them_27'],
    ])('is a class of its name and time: %s', async (name, expected) => {
      expect(await generateMigration(dataSource, name, 7)).toContain(`export class ${expected} implements`)
    })
  })
})
