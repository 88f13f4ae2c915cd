import {
  Column,
  DataSource,
  type DataSourceOptions,
  DefaultNamingStrategy,
  Entity,
  PrimaryGeneratedColumn,
} from 'typeorm'
import { KmsEncrypted, kmsEncryption } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { KEY, testKms } from '../../support/encryption'

@Entity()
class Note {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() text!: string
}

@Entity()
class Plain {
  @PrimaryGeneratedColumn() id!: number
  @Column() text!: string
}

/** Shouts, prefixes, and does not care for the names that it is given. */
class Shouting extends DefaultNamingStrategy {
  override tableName(target: string): string {
    return `T_${target.toUpperCase()}`
  }
  override columnName(property: string): string {
    return property.toUpperCase()
  }
}

const COLUMNS = [
  'context',
  'context_hash',
  'created_at',
  'destroy_at',
  'destroyed_at',
  'encrypted_data_key',
  'id',
  'kms_key',
  'purpose',
  'retired_at',
]

describeDatabases('The key table', (db) => {
  const encryption = kmsEncryption({ keyId: KEY, dataKeys: 'stored' })
  let started: DataSource | undefined

  const start = async (
    options: Partial<DataSourceOptions>,
    by: Pick<typeof encryption, 'configure'> = encryption,
  ): Promise<DataSource> => {
    started = new DataSource(by.configure({ ...db().options, ...options } as DataSourceOptions))
    return started.initialize()
  }

  const columnsOf = async (dataSource: DataSource, table = 'kms_data_key'): Promise<string[]> => {
    const queryRunner = dataSource.createQueryRunner()
    const found = await queryRunner.getTable(table)
    await queryRunner.release()
    return (found?.columns ?? []).map(({ name }) => name).sort()
  }

  afterEach(async () => {
    if (!started?.isInitialized) return
    await started.dropDatabase()
    await started.destroy()
  })

  test.each<[string, Partial<DataSourceOptions>]>([
    ['a list of classes', { entities: [Note] }],
    ['an object of classes', { entities: { Note } }],
    ['a pattern of files', { entities: [`${__dirname}/note-entit*.ts`] }],
    [
      'a naming strategy and a prefix',
      { entities: [Note], namingStrategy: new Shouting(), entityPrefix: 'x_' },
    ],
  ])('is made with %s', async (_, options) => {
    const dataSource = await start({ ...options, synchronize: true })
    expect(await columnsOf(dataSource)).toEqual(COLUMNS)
  })

  test('is made where entities come later, as with autoLoadEntities', async () => {
    const configured = encryption.configure(db().options)
    started = new DataSource({ ...configured, entities: [Note], synchronize: true })
    expect(await columnsOf(await started.initialize())).toEqual(COLUMNS)
  })

  test('is not changed by a second synchronize', async () => {
    const dataSource = await start({ entities: [Note], synchronize: true })
    const { upQueries } = await dataSource.driver.createSchemaBuilder().log()
    expect(upQueries.filter(({ query }) => query.includes('kms_data_key'))).toEqual([])
    await dataSource.synchronize()
    expect(await columnsOf(dataSource)).toEqual(COLUMNS)
  })

  test('is not made where another table has its name', async () => {
    await db().rawQuery('CREATE TABLE kms_data_key (id INTEGER PRIMARY KEY)')
    await expect(start({ entities: [Note], synchronize: true })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    })
    await db().rawQuery('DROP TABLE kms_data_key')
  })

  test('is there again after the DataSource was destroyed and initialised anew', async () => {
    const dataSource = await start({ entities: [Note], synchronize: true })
    await dataSource.destroy()
    await dataSource.initialize()
    expect(dataSource.entityMetadatas.map(({ tableName }) => tableName).sort()).toEqual([
      'kms_data_key',
      'note',
    ])
  })

  test('is not made where nothing is encrypted, or data keys are inline', async () => {
    const plain = await start({ entities: [Plain], synchronize: true })
    expect(await columnsOf(plain)).toEqual([])
    await plain.dropDatabase()
    await plain.destroy()
    const inline = await start({ entities: [Note], synchronize: true }, kmsEncryption({ keyId: KEY }))
    expect(await columnsOf(inline)).toEqual([])
  })

  test('is named where it is missing, with the command that makes it', async () => {
    const dataSource = await start({ entities: [Note], synchronize: true })
    await dataSource.query(`DROP TABLE ${db().quote('kms_data_key')}`)
    const save = dataSource.getRepository(Note).save({ text: 'x' })
    await expect(save).rejects.toMatchObject({ code: 'KEY_TABLE_MISSING', entity: 'Note', property: 'text' })
    await expect(save).rejects.toThrow(/kms_data_key.*typeorm-kms migration:generate/)
    expect(await db().rawQuery('SELECT * FROM note')).toEqual([])
  })

  test('has the name and the schema that were chosen', async () => {
    const { type } = db().options
    const [schema, path] =
      type === 'postgres' ? (['keys', 'keys.my_keys'] as const) : ([undefined, 'my_keys'] as const)
    if (schema) await db().rawQuery(`CREATE SCHEMA IF NOT EXISTS ${schema}`)
    const chosen = kmsEncryption({ keyId: KEY, dataKeys: { table: 'my_keys', ...(schema && { schema }) } })
    const dataSource = await start({ entities: [Note], synchronize: true }, chosen)
    expect(await columnsOf(dataSource, path)).toEqual(COLUMNS)
    const { kms, client } = await testKms()
    const make = (writes?: 'inline') =>
      kmsEncryption({
        keyId: KEY,
        client,
        dataKeys: { table: 'my_keys', ...(schema && { schema }), ...(writes && { writes }) },
      })
    await dataSource.destroy()
    const stored = await start({ entities: [Note] }, make())
    await stored.getRepository(Note).save({ text: 'stored' })
    await stored.destroy()
    // New values carry their data keys again, and those that are there are found.
    const inline = await start({ entities: [Note], synchronize: true }, make('inline'))
    await inline.getRepository(Note).save({ text: 'inline' })
    expect(await inline.getRepository(Note).find({ order: { id: 'ASC' } })).toMatchObject([
      { text: 'stored' },
      { text: 'inline' },
    ])
    const rows = await db().rawQuery(`SELECT ${db().quote('text')} AS v FROM note ORDER BY id`)
    expect(rows.map(({ v }) => (v as Buffer)[2])).toEqual([4, 1])
    expect(await columnsOf(inline, path)).toEqual(COLUMNS)
    expect(kms.calls.count('GenerateDataKey')).toBe(2)
  })
})
