import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Column, DataSource, type DataSourceOptions, Entity, Index, PrimaryGeneratedColumn } from 'typeorm'
import { kmsEncryption, KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, generateMigration } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { KEY, testKms, type TestKms } from '../../support/encryption'
import { AWKWARD_TEXTS } from './awkward-values'

@Entity('person')
class PlaintextPerson {
  @PrimaryGeneratedColumn() id!: number
  @Column('varchar', { length: 5000, nullable: true }) secret!: string | null
  @Column('text') title!: string
  @Column('int') age!: number
  @Column('simple-json') data!: { a: number[] }
  @Column('boolean') member!: boolean
  @Column('varchar', { length: 30 }) old_name!: string
}

@Entity('person')
class EncryptedPerson {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ type: 'string', nullable: true }) secret!: string | null
  @KmsEncrypted({ type: 'string', storage: 'text', maxLength: 2000 }) title!: string
  @KmsEncrypted({ type: 'number' }) age!: number
  @KmsEncrypted({ type: 'json' }) data!: { a: number[] }
  @KmsEncrypted({ type: 'boolean' }) member!: boolean
  @KmsEncrypted({ type: 'string' }) new_name!: string
}

@Entity('person')
class GrownPerson extends EncryptedPerson {
  @KmsEncrypted({ type: 'string', nullable: true, maxLength: 500 }) token!: string | null
  @Index() @Column('varchar', { length: 10, nullable: true }) city!: string | null
}

// As 'mysql', TypeORM takes MariaDB's DEFAULT NULL for a text and would always find a change.
const MARIADB = { mariadbType: 'mariadb' } as const

describeDatabases(
  'a generated migration',
  (db) => {
    let kms: TestKms
    const folder = mkdtempSync(join(__dirname, '.generated-'))

    const connect = async (entity: new () => object, options: object = {}): Promise<DataSource> => {
      const encryption = kmsEncryption({ keyId: KEY, client: kms.client })
      const merged = { ...db().options, entities: [entity], ...options } as DataSourceOptions
      return new DataSource(encryption.configure(merged)).initialize()
    }
    /** Writes the migration into a file and connects with it, as TypeORM's command line does. */
    const generate = async (entity: new () => object, name: string): Promise<[DataSource, string]> => {
      const before = await connect(entity)
      const timestamp = Date.now()
      const text = (await generateMigration(before, name, timestamp)) ?? ''
      await before.destroy()
      const file = join(folder, `${timestamp}-${db().name}-${name}.ts`)
      writeFileSync(file, text)
      return [await connect(entity, { migrations: [file] }), readFileSync(file, 'utf8')]
    }

    beforeAll(async () => {
      kms = await testKms()
      const plaintext = await connect(PlaintextPerson, { synchronize: true })
      const people = AWKWARD_TEXTS.map((secret, index) => ({
        secret,
        title: `title ${index} é 漢`,
        age: index - 3,
        data: { a: [index, 0.1] },
        member: index % 2 === 0,
        old_name: `name ${index}`,
      }))
      if (db().name === 'mariadb') {
        await plaintext.query('ALTER TABLE person MODIFY title varchar(100) CHARACTER SET ucs2 NOT NULL')
        await plaintext.query('ALTER TABLE person MODIFY old_name varchar(30) CHARACTER SET latin1 NOT NULL')
      }
      await plaintext.getRepository(PlaintextPerson).insert(people)
      await plaintext.destroy()
    })
    afterAll(() => {
      rmSync(folder, { recursive: true, force: true })
    })

    const people = async (entity: new () => { id: number }): Promise<object[]> => {
      const dataSource = await connect(entity)
      const found = await dataSource.getRepository(entity).find({ order: { id: 'ASC' } })
      await dataSource.destroy()
      return found
    }

    it('encrypts what is there, and back', async () => {
      const before = (await people(PlaintextPerson)) as PlaintextPerson[]
      const [dataSource, text] = await generate(EncryptedPerson, 'EncryptPeople')
      expect(text).toContain("await encryptColumns(queryRunner, 'EncryptedPerson', ['secret'])")
      expect(text).not.toMatch(/DROP COLUMN/)
      await dataSource.runMigrations()
      for (const property of ['secret', 'title', 'age', 'data', 'member', 'new_name']) {
        expect(await columnStatus(dataSource, EncryptedPerson, property)).toMatchObject({
          plaintext: 0,
          rows: before.length,
        })
      }
      expect(await people(EncryptedPerson)).toEqual(
        before.map(({ old_name, ...person }) => ({ ...person, new_name: old_name })),
      )
      expect(await generateMigration(dataSource, 'Nothing')).toBeUndefined()

      await dataSource.undoLastMigration()
      expect(await people(PlaintextPerson)).toEqual(before)
      await dataSource.runMigrations()
      await dataSource.destroy()
    })

    it('adds a new encrypted column, beside other changes', async () => {
      const [dataSource, text] = await generate(GrownPerson, 'GrowPeople')
      await dataSource.runMigrations()
      if (db().name !== 'sqlite') expect(text).toContain('city')
      expect(await columnStatus(dataSource, GrownPerson, 'token')).toMatchObject({ plaintext: 0 })
      await dataSource.undoLastMigration()
      await dataSource.destroy()
    })
  },
  MARIADB,
)
