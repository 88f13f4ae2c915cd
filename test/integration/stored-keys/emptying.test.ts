import { Column, Entity, type MigrationInterface, PrimaryGeneratedColumn, type QueryRunner } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { failure, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class Note {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() text!: string
}

@Entity()
class Text {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ storage: 'text' }) text!: string
}

@Entity()
class Log {
  @PrimaryGeneratedColumn() id!: number
  @Column() line!: string
}

const IN_USE = { code: 'KEY_TABLE_IN_USE' }

describeDatabases('A key table whose keys are in use', (db) => {
  let app: TestApplication

  beforeEach(async () => {
    app = await startApplication(db(), [Note, Text, Log], { dataKeys: 'stored' })
  })
  afterEach(() => app.stop())

  /** What is written now opens in a fresh process. */
  const expectWritable = async (): Promise<void> => {
    await app.dataSource.getRepository(Note).save({ text: 'afterwards' })
    const { dataSource } = await app.restart()
    expect(await dataSource.getRepository(Note).findOneByOrFail({})).toMatchObject({ text: 'afterwards' })
  }

  test.each([
    ['clear()', () => app.dataSource.getRepository('KmsDataKey').clear()],
    ['delete()', () => app.dataSource.getRepository('KmsDataKey').createQueryBuilder().delete().execute()],
    [
      'DROP TABLE',
      async () => app.dataSource.query<unknown>(`drop /* it */ table ${db().quote('kms_data_key')}`),
    ],
    [
      'ALTER TABLE',
      async () =>
        app.dataSource.query<unknown>(
          `ALTER TABLE ${db().quote('kms_data_key')} DROP COLUMN encrypted_data_key`,
        ),
    ],
  ])('is not emptied or changed by %s', async (_, run) => {
    await app.dataSource.getRepository(Text).save({ text: 'a secret' })
    expect(await failure(run())).toMatchObject(IN_USE)
    const { dataSource } = await app.restart()
    expect(await dataSource.getRepository(Text).find()).toMatchObject([{ text: 'a secret' }])
  })

  test('is not dropped by the migration that undoes it', async () => {
    class MakeKeyTable1600000000000 implements MigrationInterface {
      name = 'MakeKeyTable1600000000000'
      up(): Promise<void> {
        return Promise.resolve()
      }
      async down(queryRunner: QueryRunner): Promise<void> {
        await queryRunner.query(`DROP TABLE ${db().quote('kms_data_key')}`)
      }
    }
    await app.dataSource.getRepository(Note).save({ text: 'a secret' })
    const { dataSource } = await app.restart({}, { migrations: [MakeKeyTable1600000000000] })
    await dataSource.runMigrations()
    expect(await failure(dataSource.undoLastMigration())).toMatchObject(IN_USE)
  })

  test('is emptied after the values, and its keys in memory with it', async () => {
    await app.dataSource.getRepository(Note).save({ text: 'a secret' })
    for (const { target } of app.dataSource.entityMetadatas)
      await app.dataSource.getRepository(target).clear()
    expect(await db().rawQuery('SELECT 1 FROM kms_data_key')).toEqual([])
    await expectWritable()
  })

  test('is made anew by synchronize(true), and its keys in memory forgotten', async () => {
    await app.dataSource.getRepository(Note).save({ text: 'a secret' })
    await app.dataSource.synchronize(true)
    await expectWritable()
  })

  test('is not dropped by the statements that TypeORM generates to undo the migration', async () => {
    await app.dataSource.dropDatabase()
    const { downQueries, upQueries } = await app.dataSource.driver.createSchemaBuilder().log()
    for (const { query, parameters } of upQueries) await app.dataSource.query(query, parameters)
    await app.dataSource.getRepository(Note).save({ text: 'a secret' })
    const ofKeyTable = downQueries.filter(({ query }) => query.includes('kms_data_key'))
    expect(ofKeyTable.length).toBeGreaterThan(0)
    // Whatever order they stand in: each that takes something away is refused while there are values.
    const drop = ofKeyTable.find(({ query }) => query.includes('DROP TABLE'))
    expect(await failure(app.dataSource.query(drop!.query, drop!.parameters))).toMatchObject(IN_USE)
    const { dataSource } = await app.restart()
    expect(await dataSource.getRepository(Note).find()).toMatchObject([{ text: 'a secret' }])
  })

  test('goes with the values where the DataSource drops its schema, and its keys in memory with it', async () => {
    await app.dataSource.getRepository(Note).save({ text: 'a secret' })
    await app.dataSource.destroy()
    app.dataSource.setOptions({ dropSchema: true, synchronize: true })
    await app.dataSource.initialize()
    expect(await db().rawQuery('SELECT 1 FROM kms_data_key')).toEqual([])
    await expectWritable()
  })

  test('goes with the values in one statement, where the database has such', async () => {
    await app.dataSource.getRepository(Note).save({ text: 'a secret' })
    const truncation = app.dataSource.query('TRUNCATE "note", "kms_data_key", "text" CASCADE')
    if (db().name === 'postgres') {
      await truncation
      await expectWritable()
    } else expect(await failure(truncation)).not.toMatchObject(IN_USE)
  })

  test('is not taken for one where a text or another statement names it', async () => {
    await app.dataSource.getRepository(Note).save({ text: 'a secret' })
    const log = app.dataSource.getRepository(Log)
    await log.save({ line: 'DROP TABLE kms_data_key' })
    await app.dataSource.query(
      `INSERT INTO ${db().quote('log')} (line) VALUES ('x; DROP TABLE kms_data_key')`,
    )
    await app.dataSource.query(
      `DELETE FROM ${db().quote('log')} WHERE NOT EXISTS (SELECT 1 FROM ${db().quote('kms_data_key')})`,
    )
    expect(await log.count()).toBe(2)
  })
})
