import { Column, Entity, PrimaryGeneratedColumn, type QueryRunner } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import {
  columnStatus,
  encryptColumns,
  generateMigration,
  verifyColumns,
} from 'typeorm-kms-encrypted/migration'
import { describeDatabases } from '../../support/databases'
import { failure, testKms, withIndexKey } from '../../support/encryption'
import { Generated, MARIADB } from '../migration/generated'

@Entity('guest')
class Plain {
  @PrimaryGeneratedColumn() id!: number
  @Column('varchar', { length: 100 }) email!: string
  @Column('varchar', { length: 100, nullable: true }) room!: string | null
}

@Entity('guest')
class Encrypted {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ type: 'string' }) email!: string
  @KmsEncrypted({ type: 'string', nullable: true, storage: 'text' }) room!: string | null
}

@Entity('guest')
class Searched {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ type: 'string', search: true, unique: true }) email!: string
  @KmsEncrypted({
    type: 'string',
    nullable: true,
    storage: 'text',
    search: [true, { name: 'floor', from: (v: string) => v[0] ?? '' }],
  })
  room!: string | null
}

/** One index is gone, and a new column is there. */
@Entity('guest')
class Later {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ type: 'string', search: true, unique: true }) email!: string
  @KmsEncrypted({ type: 'string', nullable: true, storage: 'text', search: true }) room!: string | null
  @KmsEncrypted({ type: 'string', nullable: true }) phone!: string | null
}

describeDatabases(
  'A generated migration to a searched column',
  (db) => {
    let generated: Generated
    let options: { indexKey: string }

    beforeAll(async () => {
      const kms = await testKms()
      options = await withIndexKey(kms)
      generated = new Generated(db(), kms.client, options)
    })
    afterEach(() => db().rawQuery('DROP TABLE guest'))
    afterAll(() => generated.close())

    const begin = async (entity: typeof Plain | typeof Encrypted) => {
      const dataSource = await generated.connect(entity, { synchronize: true })
      await dataSource.getRepository(entity).insert([
        { email: 'a@x', room: '11' },
        { email: 'b@x', room: null },
        { email: 'c@x', room: '12' },
      ])
      await dataSource.destroy()
    }
    const columns = async (queryRunner: QueryRunner) =>
      (await queryRunner.getTable('guest'))!.columns.map(({ name }) => name).sort()

    test('of the tool, from plaintext: adds, encrypts and fills, and takes all back', async () => {
      await begin(Plain)
      const [dataSource, text] = await generated.migrate(Searched, 'Search')
      expect(text).toContain('email_index')
      await dataSource.runMigrations()
      const guests = dataSource.getRepository(Searched)
      expect(await guests.findOneBy({ email: 'b@x' })).toMatchObject({ id: 2 })
      expect(await guests.findBy({ room: '12' })).toMatchObject([{ id: 3 }])
      await expect(guests.insert({ email: 'a@x' })).rejects.toThrow('Searched.email')
      expect(await verifyColumns(dataSource, Searched, ['email', 'room'])).toMatchObject([
        { failed: 0 },
        { failed: 0 },
      ])
      expect(await generateMigration(dataSource, 'Again')).toBeUndefined()
      await dataSource.undoLastMigration()
      const queryRunner = dataSource.createQueryRunner()
      expect(await columns(queryRunner)).toEqual(['email', 'id', 'room'])
      await queryRunner.release()
      await dataSource.destroy()
      expect((await generated.rows(Plain)).map(({ email, room }) => [email, room])).toEqual([
        ['a@x', '11'],
        ['b@x', null],
        ['c@x', '12'],
      ])
    })

    test.each(['the tool', 'TypeORM'])(
      'of %s, where values are encrypted: adds the column, and leaves the filling',
      async (whose) => {
        await begin(Encrypted)
        let down: () => Promise<unknown>
        let dataSource
        if (whose === 'the tool') {
          const [connected] = await generated.migrate(Searched, 'Search')
          dataSource = connected
          await dataSource.runMigrations()
          down = () => connected.undoLastMigration()
        } else {
          const connected = (dataSource = await generated.connect(Searched))
          const { upQueries, downQueries } = await connected.driver.createSchemaBuilder().log()
          for (const { query, parameters } of upQueries) await connected.query(query, parameters)
          down = async () => {
            for (const { query, parameters } of downQueries.reverse())
              await connected.query(query, parameters)
          }
        }
        const guests = dataSource.getRepository(Searched)
        expect(await failure(guests.findOneBy({ email: 'b@x' }))).toMatchObject({ code: 'SEARCH_INCOMPLETE' })
        expect((await columnStatus(dataSource, Searched, 'room')).indexes).toMatchObject([
          { missing: 2 },
          { missing: 2 },
        ])
        await encryptColumns(dataSource, Searched, ['email', 'room'])
        expect(await guests.findOneBy({ email: 'b@x' })).toMatchObject({ id: 2 })
        expect((await dataSource.driver.createSchemaBuilder().log()).upQueries).toEqual([])
        await down()
        const queryRunner = dataSource.createQueryRunner()
        expect(await columns(queryRunner)).toEqual(['email', 'id', 'room'])
        await queryRunner.release()
        await dataSource.destroy()
        expect((await generated.rows(Encrypted)).map(({ email }) => email)).toEqual(['a@x', 'b@x', 'c@x'])
      },
    )

    test('of the tool takes no index that is left out for a column that is new', async () => {
      await begin(Encrypted)
      const [first] = await generated.migrate(Searched, 'Search')
      await first.runMigrations()
      await encryptColumns(first, Searched, ['email', 'room'])
      await first.destroy()
      const [dataSource, text] = await generated.migrate(Later, 'Phone')
      expect(text).not.toMatch(/rename/i)
      await dataSource.runMigrations()
      const guests = dataSource.getRepository(Later)
      expect((await guests.find({ order: { id: 'ASC' } })).map(({ email, phone }) => [email, phone])).toEqual(
        [
          ['a@x', null],
          ['b@x', null],
          ['c@x', null],
        ],
      )
      await dataSource.destroy()
    })
  },
  MARIADB,
)
