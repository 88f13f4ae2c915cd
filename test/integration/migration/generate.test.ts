import { Column, Entity, Index, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { columnStatus, generateMigration } from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { testKms } from '../../support/encryption'
import { AWKWARD_TEXTS } from './awkward-values'
import { Generated, MARIADB } from './generated'

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

describeDatabases(
  'a generated migration',
  (db) => {
    let generated: Generated

    beforeAll(async () => {
      generated = new Generated(db(), (await testKms()).client)
      const plaintext = await generated.connect(PlaintextPerson, { synchronize: true })
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
    afterAll(() => generated.close())

    it('encrypts what is there, and back', async () => {
      const before = await generated.rows(PlaintextPerson)
      const [dataSource, text] = await generated.migrate(EncryptedPerson, 'EncryptPeople')
      expect(text).toContain("await encryptColumns(queryRunner, 'EncryptedPerson', ['secret'])")
      expect(text).not.toMatch(/DROP COLUMN/)
      await dataSource.runMigrations()
      for (const property of ['secret', 'title', 'age', 'data', 'member', 'new_name']) {
        expect(await columnStatus(dataSource, EncryptedPerson, property)).toMatchObject({
          plaintext: 0,
          rows: before.length,
        })
      }
      expect(await generated.rows(EncryptedPerson)).toEqual(
        before.map(({ old_name, ...person }) => ({ ...person, new_name: old_name })),
      )
      expect(await generateMigration(dataSource, 'Nothing')).toBeUndefined()

      await dataSource.undoLastMigration()
      expect(await generated.rows(PlaintextPerson)).toEqual(before)
      await dataSource.runMigrations()
      await dataSource.destroy()
    })

    it('adds a new encrypted column, beside other changes', async () => {
      const [dataSource, text] = await generated.migrate(GrownPerson, 'GrowPeople')
      await dataSource.runMigrations()
      if (db().name !== 'sqlite') expect(text).toContain('city')
      expect(await columnStatus(dataSource, GrownPerson, 'token')).toMatchObject({ plaintext: 0 })
      await dataSource.undoLastMigration()
      await dataSource.destroy()
    })
  },
  MARIADB,
)
