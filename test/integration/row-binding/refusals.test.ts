import 'reflect-metadata'
import {
  Column,
  DataSource,
  type DataSourceOptions,
  Entity,
  JoinColumn,
  ManyToOne,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  type QueryRunner,
  UpdateDateColumn,
  VersionColumn,
} from 'typeorm'
import { kmsEncryption, type KmsEncryptedOptions, KmsEncrypted } from 'typeorm-kms-encrypted'
import { encryptColumns } from 'typeorm-kms-encrypted/migration'
import { describeDatabases, type TestDatabase } from '../../support/databases'
import { failure, KEY, testKms } from '../../support/encryption'

type Options = Omit<KmsEncryptedOptions, 'type'>

/** An entity with a bound column `secret`, and with columns to bind to that cannot be. */
function entity(
  options: Options,
  by: PropertyDecorator | undefined,
  type: unknown = Number,
): new () => object {
  class Note {}
  PrimaryColumn({ type: 'int' })(Note.prototype, 'id')
  if (by) {
    Reflect.defineMetadata('design:type', type, Note.prototype, 'by')
    by(Note.prototype, 'by')
  }
  KmsEncrypted({ ...options, type: 'string' })(Note.prototype, 'secret')
  Entity('note')(Note)
  return Note
}

@Entity('owner')
class Owner {
  @PrimaryColumn({ type: 'int' }) id!: number
}

const BY: Options = { boundTo: { row: ['by'] } }
const exact = (name: string) =>
  name === 'mariadb' ? { collation: 'utf8mb4_nopad_bin', charset: 'utf8mb4' } : {}

describeDatabases('what values cannot be bound to', (db) => {
  let client: Awaited<ReturnType<typeof testKms>>['client']

  beforeAll(async () => {
    ;({ client } = await testKms())
  })
  beforeEach(async () => {
    for (const table of ['note', 'owner']) await db().rawQuery(`DROP TABLE IF EXISTS ${db().quote(table)}`)
  })

  async function start(
    entities: (new () => object)[],
    options: Partial<DataSourceOptions> = {},
  ): Promise<void> {
    const encryption = kmsEncryption({ keyId: KEY, client })
    const merged = { ...db().options, entities, synchronize: true, ...options } as DataSourceOptions
    const dataSource = new DataSource(encryption.configure(merged))
    try {
      await dataSource.initialize()
      const row = { id: 1, by: undefined as unknown, secret: 'x' }
      for (const by of [1, 'text', Buffer.from('bytes'), true, '6f9619ff-8b86-d011-b42d-00c04fc964ff']) {
        row.by = by
        try {
          await dataSource.getRepository('note').save(row)
          return
        } catch (error) {
          if ((error as { code?: string }).code !== 'INVALID_VALUE') throw error
        }
      }
    } finally {
      if (dataSource.isInitialized) await dataSource.destroy()
    }
  }

  const column = (options: object) => Column(options as never)

  it.each<[string, (name: string) => PropertyDecorator | undefined, RegExp, unknown?]>([
    ['a property that does not exist', () => undefined, /by, which is no column of the entity/],
    ['an encrypted one', () => KmsEncrypted({ type: 'string' }), /encrypted itself/],
    ['a nullable one', () => column({ type: 'int', nullable: true }), /nullable/],
    ['a version', () => VersionColumn(), /the version, which changes/],
    ['an update date', () => UpdateDateColumn(), /the update date/],
    [
      'a date',
      (name) => column({ type: name === 'postgres' ? 'timestamp' : 'datetime' }),
      /no text of its own/,
    ],
    ['a decimal', () => column({ type: 'decimal' }), /no text of its own/],
    ['a float', () => column({ type: 'float' }), /no text of its own/],
    [
      'a CHAR',
      (name) => column({ type: name === 'sqlite' ? 'character' : 'char', length: 8 }),
      /no text of its own/,
    ],
    [
      'what the application declares as generated',
      () => column({ type: 'int', asExpression: '1', generatedType: 'STORED' }),
      /a generated column/,
    ],
    [
      'what the database sets with each UPDATE',
      () => column({ type: 'int', onUpdate: '1' }),
      /sets with each UPDATE/,
    ],
    ['a list', () => column({ type: 'simple-array' }), /no text that is the same everywhere/],
    ['JSON', () => column({ type: 'simple-json' }), /no text that is the same everywhere/],
    [
      'an enum',
      () => column({ type: 'simple-enum', enum: ['a', 'b'] }),
      /no text that is the same everywhere/,
    ],
  ])('%s', async (_, decorator, message) => {
    const error = await failure(start([entity(BY, decorator(db().name))]))
    expect(error).toMatchObject({ code: 'INVALID_OPTION', property: 'secret' })
    expect(error.message).toMatch(message)
    // keyPer has the same rules.
    expect((await failure(start([entity({ keyPer: ['by'] }, decorator(db().name))]))).message).toMatch(
      /keyPer names by/,
    )
  })

  it('a key that the database makes, in a table without transactions', async () => {
    class Note {}
    PrimaryGeneratedColumn()(Note.prototype, 'id')
    KmsEncrypted({ type: 'string', boundTo: { row: ['id'] } })(Note.prototype, 'secret')
    Entity('note')(Note)
    const definition = {
      mariadb: 'id int AUTO_INCREMENT PRIMARY KEY, secret blob',
      postgres: 'id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, secret bytea',
      sqlite: 'id integer PRIMARY KEY, secret blob',
    }[db().name]
    const engines = db().name === 'mariadb' ? ['MyISAM', 'Aria', 'InnoDB'] : ['']
    for (const engine of engines) {
      await db().rawQuery('DROP TABLE IF EXISTS note')
      await db().rawQuery(`CREATE TABLE note (${definition})${engine ? ` ENGINE=${engine}` : ''}`)
      const encryption = kmsEncryption({ keyId: KEY, client })
      const dataSource = new DataSource(encryption.configure({ ...db().options, entities: [Note] }))
      if (engine === 'MyISAM' || engine === 'Aria') {
        const error = await failure(dataSource.initialize())
        expect(error).toMatchObject({ code: 'INVALID_OPTION', property: 'secret' })
        expect(error.message).toMatch(/the table has no transactions/)
        continue
      }
      await dataSource.initialize()
      await dataSource.getRepository('note').insert([{ secret: 'one' }, { secret: 'two' }])
      expect(await dataSource.getRepository('note').find({ order: { id: 'ASC' } })).toMatchObject([
        { secret: 'one' },
        { secret: 'two' },
      ])
      await dataSource.destroy()
    }
  })

  it('the join column of a nullable relation, or of one that cascades', async () => {
    for (const [options, message] of [
      [{ nullable: true }, /nullable/],
      [{ nullable: false, onUpdate: 'CASCADE' }, /onUpdate: 'CASCADE'/],
    ] as const) {
      class Note {}
      PrimaryColumn({ type: 'int' })(Note.prototype, 'id')
      ManyToOne(() => Owner, options as never)(Note.prototype, 'by')
      JoinColumn({ name: 'ownerId' })(Note.prototype, 'by')
      KmsEncrypted({ ...BY, type: 'string' })(Note.prototype, 'secret')
      Entity('note')(Note)
      expect((await failure(start([Owner, Note]))).message).toMatch(message)
    }
  })

  it('what only the database says: nullable, cascading, generated, changed by a trigger', async () => {
    const secret = db().name === 'postgres' ? 'secret bytea' : 'secret blob'
    const tables: [string, string[], RegExp][] = [
      [
        'nullable',
        [`CREATE TABLE note (id int PRIMARY KEY, ${db().quote('by')} int, ${secret})`],
        /is nullable/,
      ],
      [
        'cascading',
        [
          'CREATE TABLE owner (id int PRIMARY KEY)',
          `CREATE TABLE note (id int PRIMARY KEY, ${db().quote('by')} int NOT NULL, ${secret}, FOREIGN KEY (${db().quote('by')}) REFERENCES owner (id) ON UPDATE CASCADE)`,
        ],
        /a foreign key with ON UPDATE CASCADE/,
      ],
      [
        'generated',
        [
          `CREATE TABLE note (id int PRIMARY KEY, ${db().quote('by')} int ${db().name === 'mariadb' ? '' : 'NOT NULL'} GENERATED ALWAYS AS (id + 1) STORED, ${secret})`,
        ],
        /a generated expression|is nullable/,
      ],
      ['triggered', triggered(db(), secret), /the trigger moves/],
    ]
    for (const [, statements, message] of tables) {
      for (const table of ['note', 'owner']) await db().rawQuery(`DROP TABLE IF EXISTS ${table}`)
      for (const statement of statements) await db().rawQuery(statement)
      const error = await failure(start([entity(BY, column({ type: 'int' }))], { synchronize: false }))
      expect(error.message).toMatch(message)
    }
  })

  it('a text that is compared inexactly', async () => {
    const collations = {
      mariadb: ['utf8mb4_general_ci', 'utf8mb4_bin'],
      postgres: ['insensitive'],
      sqlite: ['NOCASE', 'RTRIM'],
    }[db().name]
    if (db().name === 'postgres')
      await db().rawQuery(
        `CREATE COLLATION IF NOT EXISTS insensitive (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
      )
    for (const collation of collations) {
      await db().rawQuery('DROP TABLE IF EXISTS note')
      const secret = db().name === 'postgres' ? 'secret bytea' : 'secret blob'
      const collate = db().name === 'postgres' ? `"${collation}"` : collation
      await db().rawQuery(
        `CREATE TABLE note (id int PRIMARY KEY, ${db().quote('by')} varchar(40) COLLATE ${collate} NOT NULL, ${secret})`,
      )
      const error = await failure(start([entity(BY, column({ type: 'varchar' }))], { synchronize: false }))
      expect(error.message).toMatch(/compares texts as equal that are not the same/)
    }
  })

  it('and what can be: exact texts, uuids, bytes, booleans, integers', async () => {
    const types: object[] = [
      { type: 'int' },
      { type: 'bigint' },
      { type: 'smallint' },
      { type: 'boolean' },
      { type: 'uuid' },
      { type: 'varchar', length: 40, ...exact(db().name) },
      { type: 'text', ...exact(db().name) },
      db().name === 'mariadb'
        ? { type: 'varbinary', length: 40 }
        : { type: db().name === 'postgres' ? 'bytea' : 'blob' },
    ]
    for (const type of types) {
      await db().rawQuery('DROP TABLE IF EXISTS note')
      await start([entity({ ...BY, keyPer: { it: 'by' } }, column(type))])
    }
  })

  it('what was so when the application began, and is not any more', async () => {
    const bytes = { mariadb: 'varbinary(20)', postgres: 'bytea', sqlite: 'blob' }[db().name]
    const secret = db().name === 'postgres' ? 'secret bytea' : 'secret blob'
    await db().rawQuery(
      `CREATE TABLE note (id int PRIMARY KEY, ${db().quote('by')} ${bytes} NOT NULL, ${secret})`,
    )
    class MakesAnew1700000000000 {
      async up(queryRunner: QueryRunner) {
        await queryRunner.query('DROP TABLE note')
        await queryRunner.query(
          `CREATE TABLE note (id int PRIMARY KEY, ${db().quote('by')} int NOT NULL, ${secret})`,
        )
        const hex = Buffer.from('secret').toString('hex')
        const literal = db().name === 'postgres' ? `'\\x${hex}'` : `x'${hex}'`
        await queryRunner.query(`INSERT INTO note VALUES (1, 7, ${literal})`)
        await encryptColumns(queryRunner, 'Note', ['secret'])
      }
      down = () => Promise.resolve()
    }
    const encryption = kmsEncryption({ keyId: KEY, client })
    const options = { ...db().options, entities: [entity(BY, column({ type: 'int' }))] }
    const connect = (more: object) =>
      new DataSource(encryption.configure({ ...options, ...more })).initialize()
    const migrations = [MakesAnew1700000000000]
    for (const migrationsRun of [true, false]) {
      const dataSource = await connect({ migrations, migrationsRun })
      if (!migrationsRun) await dataSource.runMigrations()
      const notes = dataSource.getRepository('note')
      await notes.insert({ id: 2, by: 8, secret: 'too' })
      expect(await notes.find({ order: { id: 'ASC' } })).toMatchObject([
        { secret: 'secret' },
        { secret: 'too' },
      ])
      await db().rawQuery('DROP TABLE note')
      await db().rawQuery('DROP TABLE migrations')
      await db().rawQuery(
        `CREATE TABLE note (id int PRIMARY KEY, ${db().quote('by')} ${bytes} NOT NULL, ${secret})`,
      )
      await dataSource.destroy()
    }
    const dataSource = await connect({})
    await dataSource.synchronize(true)
    await dataSource.getRepository('note').insert({ id: 1, by: 9, secret: 'anew' })
    expect(await dataSource.getRepository('note').find()).toMatchObject([{ by: 9, secret: 'anew' }])
    await dataSource.destroy()
  })

  it('names that the library uses, or the context has', async () => {
    for (const [options, message] of [
      [{ boundTo: { row: { column: 'by' } } }, /"column" cannot be the name of a pair/],
      [{ keyPer: { table: 'by' } }, /"table" cannot be the name/],
      [{ keyPer: { 'row.id': 'by' } }, /"row.id" cannot be the name/],
      [{ keyPer: ['by'], context: { by: 'x' } }, /the encryption context has it already/],
    ] as [Options, RegExp][]) {
      expect((await failure(start([entity(options, column({ type: 'int' }))]))).message).toMatch(message)
    }
  })

  it('nothing, or nothing of this table', async () => {
    for (const [options, message] of [
      [{ boundTo: { row: [] } }, /boundTo.row is empty/],
      [{ boundTo: { row: {} } }, /boundTo.row is empty/],
      [{ keyPer: [] }, /keyPer is empty/],
      [{ boundTo: { row: ['by', 'by'] } }, /boundTo.row names a property twice/],
      [{ boundTo: { row: 'by' as never } }, /boundTo.row must be a list/],
      [{ boundTo: { row: [''] } }, /non-empty strings/],
      [{ ...BY, context: { app: 'x' } }, /does not say of which table.*context: \{ table: 'note'/],
    ] as [Options, RegExp][]) {
      const error = await failure(
        (async () => {
          await start([entity(options, column({ type: 'int' }))])
        })(),
      )
      expect(error).toMatchObject({ code: 'INVALID_OPTION' })
      expect(error.message).toMatch(message)
    }
    const all = kmsEncryption({ keyId: KEY, client, context: { app: 'x' } })
    const note = entity(BY, column({ type: 'int' }))
    const ofAll = new DataSource(all.configure({ ...db().options, entities: [note] }))
    expect((await failure(ofAll.initialize())).message).toMatch(/does not say of which table/)
    await start([entity({ ...BY, context: { app: 'x', table: 'note' } }, column({ type: 'int' }))])
    await db().rawQuery('DROP TABLE note')
    await start([entity({ keyPer: ['by'], context: { app: 'x' } }, column({ type: 'int' }))])
  })

  it('keys that a function does not name', async () => {
    for (const [keyId, message] of [
      [() => '', /gave no key/],
      [() => undefined as never, /gave no key/],
      [() => null as never, /gave no key/],
      [() => 7 as never, /gave no key/],
      [() => ({ keyId: KEY }) as never, /gave no key/],
      [() => Promise.resolve(KEY) as never, /must not be async/],
      [
        () => {
          throw new Error('lost')
        },
        /the function keyId failed/,
      ],
    ] as [() => string, RegExp][]) {
      const error = await failure(start([entity({ keyPer: ['by'], keyId }, column({ type: 'int' }))]))
      expect(error).toMatchObject({ code: 'INVALID_OPTION', property: 'secret' })
      expect(error.message).toMatch(message)
    }
    await start([
      entity({ keyPer: ['by'], keyId: ({ by }) => (by === '1' ? KEY : '') }, column({ type: 'int' })),
    ])
  })

  it('tenants that KMS would not take', async () => {
    const encryption = kmsEncryption({ keyId: KEY, client })
    const note = entity({ keyPer: ['by'] }, column({ type: 'text', ...exact(db().name) }), String)
    const dataSource = await new DataSource(
      encryption.configure({ ...db().options, entities: [note], synchronize: true }),
    ).initialize()
    for (const by of ['x'.repeat(1_025), 'é'.repeat(513), 'x'.repeat(10_000_000), '\ud800', 'a\0b', '\0']) {
      const error = await failure(dataSource.getRepository('note').insert({ id: 1, by, secret: 'x' }))
      expect(error.code).toBe('INVALID_VALUE')
      expect(error.message.length).toBeLessThan(1_000)
    }
    expect(encryption.metrics().kmsBill.requests).toBe(0)
    // Short and empty texts are tenants as others are.
    const notes = dataSource.getRepository('note')
    await notes.insert([
      { id: 1, by: '', secret: 'of none' },
      { id: 2, by: 'x'.repeat(1_024), secret: 'of long' },
      { id: 3, by: ' ', secret: 'of space' },
    ])
    expect(await notes.find({ order: { id: 'ASC' } })).toMatchObject([
      { secret: 'of none' },
      { secret: 'of long' },
      { secret: 'of space' },
    ])
    await dataSource.destroy()
  })
})

test.each(['envelope', 'direct'] as const)(
  'pairs that KMS would not take together are refused before it is asked (%s)',
  async (mode) => {
    const { client } = await testKms()
    const context = { table: 'note', app: 'x'.repeat(6_900) }
    const encryption = kmsEncryption({ keyId: KEY, client, context })
    class Note {}
    PrimaryColumn({ type: 'int' })(Note.prototype, 'id')
    for (const name of ['by', 'also']) Column({ type: 'text' })(Note.prototype, name)
    KmsEncrypted({ keyPer: ['by', 'also'], mode, type: 'string' })(Note.prototype, 'secret')
    Entity('note')(Note)
    // On each version of Node that there is, unlike a driver that is compiled for one.
    const database = { type: 'sqljs', synchronize: true } as const
    const dataSource = await new DataSource(
      encryption.configure({ ...database, entities: [Note] }),
    ).initialize()
    const insert = (length: number) =>
      dataSource
        .getRepository('note')
        .insert({ id: length, by: 'x'.repeat(length), also: 'x'.repeat(length), secret: 'x' })
    const error = await failure(insert(1_000))
    expect(error).toMatchObject({ code: 'INVALID_VALUE', property: 'secret' })
    expect(error.message).toMatch(/KMS takes 8128/)
    expect(encryption.metrics().kmsBill.requests).toBe(0)
    await insert(500)
    await dataSource.destroy()
  },
)

function triggered(db: TestDatabase, secret: string): string[] {
  const by = db.quote('by')
  const table = `CREATE TABLE note (id int PRIMARY KEY, ${by} int NOT NULL, ${secret})`
  if (db.name === 'mariadb')
    return [
      table,
      `CREATE TRIGGER moves BEFORE INSERT ON note FOR EACH ROW
         BEGIN IF NEW.id < 0 THEN SET NEW.id = 1; END IF; SET NEW.${by} = 7; END`,
    ]
  if (db.name === 'sqlite')
    return [
      table,
      `CREATE TRIGGER moves AFTER INSERT ON note BEGIN UPDATE note SET ${by} = 7 WHERE id = NEW.id; END`,
    ]
  return [
    table,
    `CREATE OR REPLACE FUNCTION moves() RETURNS trigger AS $$ BEGIN IF NEW.id < 0 THEN NEW.id := 1; END IF; NEW.${by} := 7; RETURN NEW; END $$ LANGUAGE plpgsql`,
    'CREATE TRIGGER moves BEFORE INSERT ON note FOR EACH ROW EXECUTE FUNCTION moves()',
  ]
}
