import {
  DisableKeyCommand,
  EnableKeyCommand,
  KMSClient,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import { Column, DataSource, type DataSourceOptions, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { applicationFindings } from '../../../src/cli/commands/doctor/application'
import { databaseFindings } from '../../../src/cli/commands/doctor/database'
import { tracingFindings } from '../../../src/cli/commands/doctor/tracing'
import { kmsFindings } from '../../../src/cli/commands/doctor/kms'
import { encryptedColumns } from '../../../src/migration/encrypted-columns'
import { type Finding } from '../../../src/cli/commands/doctor/finding'
import { describeDatabases } from '../../support/databases'
import { KEY, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class User {
  @PrimaryGeneratedColumn() id!: number
  @Column() email!: string
  @KmsEncrypted({ maxLength: 100 }) token!: string
  @KmsEncrypted({ type: 'string', nullable: true }) note!: string | null
  @KmsEncrypted({ mode: 'direct', nullable: true }) seed?: string
}

const bad = (findings: readonly Finding[]): string[] =>
  findings.filter(({ level }) => level !== 'ok').map(({ level, message }) => `${level}: ${message}`)

describeDatabases('The doctor', (db) => {
  let app: TestApplication

  beforeEach(async () => {
    app = await startApplication(db(), [User])
    await app.dataSource.getRepository(User).insert({ email: 'a', token: 't', note: 'n', seed: 's' })
  })
  afterEach(() => app.stop())

  const examineKms = (client: KMSClient = app.client) =>
    kmsFindings(encryptedColumns(app.dataSource), client, (column) => column.cipher.kms)
  const sql = (statement: string) =>
    db().rawQuery(statement.replace(/"(\w+)"/g, (_, name: string) => db().quote(name)))

  it('finds nothing where all is well', async () => {
    const findings = [
      ...applicationFindings(app.dataSource),
      ...(await examineKms()),
      ...(await databaseFindings(app.dataSource, 'ormconfig.ts')),
    ]
    expect(bad(findings)).toEqual([])
    const messages = findings.map(({ message }) => message).join('\n')
    expect(messages).toContain('3 encrypted columns in User')
    expect(messages).toContain(`the key ${KEY} (arn:aws:kms:`)
    expect(messages).toContain(`GenerateDataKey and Decrypt are allowed on ${KEY} under { table: user }`)
    expect(messages).toContain(
      `Encrypt and Decrypt are allowed on ${KEY} under { table: user, column: seed }`,
    )
  })

  it('finds a subscriber that was removed, and a DataSource with nothing encrypted', async () => {
    app.dataSource.subscribers.length = 0
    expect(bad(applicationFindings(app.dataSource))).toEqual([
      expect.stringContaining('the subscriber is not registered'),
    ])
    const plain = new DataSource({ ...db().options, entities: [] })
    await plain.initialize()
    expect(bad(applicationFindings(plain))).toEqual([expect.stringContaining('has an encrypted column')])
    await plain.destroy()
  })

  it('finds columns that are missing from the database', async () => {
    await sql('ALTER TABLE "user" DROP COLUMN "note"')
    expect(bad(await databaseFindings(app.dataSource, 'ormconfig.ts'))).toEqual([
      expect.stringMatching(/problem: User.note: the database has no column note in the table/),
    ])
  })

  it('finds rows of plaintext', async () => {
    await sql(`UPDATE "user" SET "note" = 'plain'`)
    expect(bad(await databaseFindings(app.dataSource, 'ormconfig.ts'))).toEqual([
      'problem: User.note: 1 row of plaintext: reading them fails.',
    ])
  })

  it('finds a table that is missing from the database', async () => {
    await sql('DROP TABLE "user"')
    expect(bad(await databaseFindings(app.dataSource, 'ormconfig.ts'))).toEqual(
      ['token', 'note', 'seed'].map((name): unknown =>
        expect.stringMatching(new RegExp(`^problem: User.${name}: the database has no`)),
      ),
    )
  })

  it('finds ciphertexts of a later release', async () => {
    const [row] = await sql('SELECT "note" AS v FROM "user"')
    const later = Buffer.from(row!.v as Buffer)
    later[1] = 9
    await db().rawQuery(`UPDATE ${db().quote('user')} SET note = ?`, [later])
    expect(bad(await databaseFindings(app.dataSource, 'ormconfig.ts'))).toEqual([
      'problem: User.note: 1 row that begins like a ciphertext but is of no version that this release reads.',
    ])
  })

  it('notes values under several KMS keys', async () => {
    const { dataSource } = await app.restart({ keyId: await app.createKey() })
    await dataSource.getRepository(User).insert({ email: 'b', token: 't', note: null, seed: 's' })
    const findings = await databaseFindings(dataSource, 'ormconfig.ts')
    expect(bad(findings)).toEqual([
      'note: User.token: 2 values encrypted, under 2 KMS keys (typeorm-kms status names them)',
      expect.stringMatching(
        /^warning: User.note: 1 value encrypted, and it is under another KMS key than the configured one/,
      ),
      'note: User.seed: 2 values encrypted, under 2 KMS keys (typeorm-kms status names them)',
    ])
    expect(findings.flatMap(({ remedy }) => remedy ?? [])).toContain(
      'typeorm-kms rotate -d ormconfig.ts --columns User.note',
    )
  })

  it('lists triggers', async () => {
    const action = {
      mariadb:
        'CREATE TRIGGER lower_case BEFORE UPDATE ON "user" FOR EACH ROW SET NEW.email = LOWER(NEW.email)',
      postgres:
        "CREATE FUNCTION lower_case() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; " +
        'CREATE TRIGGER lower_case BEFORE UPDATE ON "user" FOR EACH ROW EXECUTE FUNCTION lower_case()',
      sqlite: 'CREATE TRIGGER lower_case AFTER UPDATE ON "user" BEGIN SELECT 1; END',
    }[db().name]
    await sql(action)
    expect(bad(await databaseFindings(app.dataSource, 'ormconfig.ts'))).toEqual(
      ['token', 'note', 'seed'].map((name): unknown =>
        expect.stringMatching(new RegExp(`^note: User.${name}: an UPDATE of the table .* fires lower_case`)),
      ),
    )
    if (db().name === 'postgres') await sql('DROP FUNCTION lower_case CASCADE')
  })

  it('finds a foreign key that has an encrypted column', async () => {
    const type = { mariadb: 'varbinary(600)', postgres: 'bytea', sqlite: 'blob' }[db().name]
    await sql('CREATE UNIQUE INDEX tokens ON "user" (token)')
    await sql(`CREATE TABLE friend (token ${type}, FOREIGN KEY (token) REFERENCES "user" (token))`)
    expect(bad(await databaseFindings(app.dataSource, 'ormconfig.ts'))).toEqual([
      expect.stringMatching(/^problem: User\.token: the column is part of a foreign key \(.*friend\)/),
    ])
    await sql('DROP TABLE friend')
  })

  it('finds a driver that makes text of bytes', async () => {
    const extra = {
      mariadb: {
        typeCast: (field: { type: string; string(): string | null }, next: () => unknown) =>
          /BLOB|STRING/.test(field.type) ? field.string() : next(),
      },
      postgres: { types: { getTypeParser: () => (value: unknown) => String(value) } },
      sqlite: undefined,
    }[db().name]
    if (!extra || db().standIn) {
      process.stdout.write('SQLite and PGlite have no setting that converts bytes.\n')
      expect(db().name).not.toBe('mariadb')
      return
    }
    const options = app.encryption.configure({ ...db().options, entities: [User], extra })
    const mangled = await new DataSource(options).initialize()
    const found = bad(await databaseFindings(mangled, 'ormconfig.ts'))
    await mangled.destroy()
    expect(found).toHaveLength(3)
    for (const line of found)
      expect(line).toMatch(/^problem: User\.\w+: expected the bytes of a binary column/)
  })

  it('finds an instrumentation that records what is saved', () => {
    expect(tracingFindings(app.dataSource, __filename)).toEqual([])
    const save = Object.assign(() => Promise.resolve(), { __wrapped: true })
    Object.defineProperty(app.dataSource.manager, 'save', { value: save })
    const [found] = tracingFindings(app.dataSource, __filename)
    expect(found).toMatchObject({ level: 'problem' })
    expect(found?.message).toContain('saved entities, plaintext included, are in its spans')
    expect(found?.remedy).toContain('enabled: false')
  })

  it('finds a key that is disabled, and permissions that are missing', async () => {
    const keyArn = await app.createKey()
    const { dataSource } = await app.restart({ keyId: keyArn })
    await app.client.send(new DisableKeyCommand({ KeyId: keyArn }))
    const columns = encryptedColumns(dataSource)
    const examine = () => kmsFindings(columns, app.client, (column) => column.cipher.kms)
    expect(bad(await examine())).toEqual([
      expect.stringContaining(`problem: the key ${keyArn} is Disabled`),
      expect.stringMatching(/^problem: GenerateDataKey and Decrypt on .* under .*is disabled/),
      expect.stringMatching(/^problem: Encrypt and Decrypt on .* under .*is disabled/),
    ])
    await app.client.send(new EnableKeyCommand({ KeyId: keyArn }))
    app.kms.misbehave({ deny: ['Decrypt', 'DescribeKey'] })
    expect(bad(await examine())).toEqual([
      expect.stringMatching(/^note: the key .* state is not known/),
      expect.stringMatching(/^problem: GenerateDataKey .*Allow kms:Decrypt on/),
      expect.stringMatching(/^problem: Encrypt .*Allow kms:Decrypt on/),
    ])
  })

  it.each([
    ['GenerateDataKey', 'GenerateDataKey and Decrypt', ['{ table: user }']],
    ['Encrypt', 'Encrypt and Decrypt', ['{ table: user, column: seed }']],
    ['Decrypt', 'and Decrypt', ['{ table: user }', '{ table: user, column: seed }']],
  ])('finds that %s is not allowed, and for which columns', async (operation, use, contexts) => {
    app.kms.misbehave({ deny: operation })
    const found = bad(await examineKms())
    expect(found).toHaveLength(contexts.length)
    for (const [index, context] of contexts.entries()) {
      expect(found[index]).toContain(`${use} on ${KEY} under ${context}: access to KMS was denied.`)
      expect(found[index]).toContain(`Allow kms:${operation} on`)
    }
  })

  it('takes a lack of kms:DescribeKey for no problem', async () => {
    app.kms.misbehave({ deny: 'DescribeKey' })
    expect(bad(await examineKms())).toEqual([
      expect.stringMatching(
        /^note: the key alias\/test: its state is not known, .* The application does not/,
      ),
    ])
  })

  it('finds a key that is scheduled for deletion, with the date and how to keep it', async () => {
    const keyArn = await app.createKey()
    const { dataSource } = await app.restart({ keyId: keyArn })
    await app.client.send(new ScheduleKeyDeletionCommand({ KeyId: keyArn, PendingWindowInDays: 7 }))
    const found = await kmsFindings(encryptedColumns(dataSource), app.client, (column) => column.cipher.kms)
    expect(bad(found)[0]).toMatch(/is PendingDeletion, and will be deleted on \d{4}-\d\d-\d\d/)
    expect(bad(found)[0]).toContain(keyArn)
    expect(found.find(({ level }) => level === 'problem')!.remedy).toBe(
      `typeorm-kms keys cancel-deletion ${keyArn}, then typeorm-kms keys enable ${keyArn}`,
    )
  })

  it.each([
    ['alias/none', 'KMS does not know the KMS key alias/none. Check the id, ARN or alias'],
    ['arn:aws:kms:eu-west-1:111122223333:key/1', 'is in region eu-west-1, the KMS client in us-east-1'],
  ])('finds that the key %s is not there', async (keyId, message) => {
    const { dataSource } = await app.restart({ keyId })
    const found = await kmsFindings(encryptedColumns(dataSource), app.client, (column) => column.cipher.kms)
    expect(bad(found)).toHaveLength(3)
    for (const line of bad(found)) expect(line).toContain(message)
  })

  it.each([
    ['ExpiredTokenException', 'no valid AWS credentials for KMS'],
    ['UnrecognizedClientException', 'no valid AWS credentials for KMS'],
    ['KMSInternalException', 'KMS could not be reached for'],
  ])('explains %s', async (name, message) => {
    app.kms.misbehave({ fail: () => name })
    expect(bad(await examineKms())).toEqual(Array(3).fill(expect.stringContaining(message)))
  })

  it('finds a key that is no symmetric encryption key', async () => {
    const keyArn = await app.createKey({ KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' })
    const { dataSource } = await app.restart({ keyId: keyArn })
    const findings = await kmsFindings(
      encryptedColumns(dataSource),
      app.client,
      (column) => column.cipher.kms,
    )
    expect(bad(findings)[0]).toContain('is RSA_2048, SIGN_VERIFY; columns need SYMMETRIC_DEFAULT')
  })

  it('finds a KMS that cannot be reached, and says what the network said', async () => {
    app.kms.misbehave({ outage: true })
    for (const line of bad(await examineKms())) {
      expect(line).toMatch(/^problem: .* KMS could not be reached for .*\(.*ECONNREFUSED.*\)$/)
    }
    expect(bad(await examineKms())).toHaveLength(3)
  })

  it('finds that region or credentials are missing, and asks no further', async () => {
    const client = app.kms.client({
      region: (): Promise<string> => Promise.reject(new Error('Region is missing')),
      credentials: () =>
        Promise.reject(Object.assign(new Error('none'), { name: 'CredentialsProviderError' })),
    })
    app.kms.calls.reset()
    expect(bad(await examineKms(client))).toEqual([
      expect.stringContaining('problem: region: no AWS region is configured'),
      expect.stringContaining('problem: credentials: no valid AWS credentials'),
    ])
    expect(app.kms.calls.count()).toBe(0)
  })

  it.each([
    [0, []],
    [60_000, ["warning: the clock of this machine is 60 s behind KMS's."]],
    [
      -600_000,
      [expect.stringMatching(/^problem: the clock of this machine is 600 s ahead of KMS's; AWS refuses/)],
    ],
  ])('finds a clock that is off by %i ms', async (skew, expected) => {
    // The header has no milliseconds: in the middle of a second, nothing that takes time moves the result.
    const now = Math.floor(Date.now() / 1_000) * 1_000 + 500
    const clock = jest.spyOn(Date, 'now').mockReturnValue(now)
    const { requestHandler } = app.kms
    const client = new KMSClient({
      region: 'us-east-1',
      credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
      requestHandler: {
        async handle(...args: Parameters<typeof requestHandler.handle>) {
          const { response } = await requestHandler.handle(...args)
          const date = new Date(now + skew).toUTCString()
          return { response: { ...response, headers: { ...response.headers, date } } }
        },
      },
    })
    const findings = await examineKms(client).finally(() => {
      clock.mockRestore()
    })
    expect(bad(findings)).toEqual(expected)
  })
})

describeDatabases(
  'The doctor on MySQL and MariaDB',
  (db) => {
    let app: TestApplication

    beforeEach(async () => {
      app = await startApplication(db(), [User])
    })
    afterEach(() => app.stop())

    it('finds columns that are too short or of the wrong type', async () => {
      await db().rawQuery('ALTER TABLE user MODIFY token varbinary(300) NOT NULL, MODIFY note varchar(255)')
      expect(bad(await databaseFindings(app.dataSource, 'ormconfig.ts'))).toEqual([
        expect.stringContaining(
          'problem: User.token: varbinary of 300 is too short. A value of 100 bytes needs up to',
        ),
        expect.stringMatching(
          /^problem: User.note: the column is of type varchar, and ciphertext needs a binary one/,
        ),
      ])
      await db().rawQuery('ALTER TABLE user MODIFY token varbinary(400) NOT NULL, MODIFY note varbinary(400)')
      expect(bad(await databaseFindings(app.dataSource, 'ormconfig.ts'))).toEqual([
        expect.stringMatching(/^warning: User.note: varbinary of 400 has room for values of \d+ bytes/),
      ])
    })

    it('finds a sql_mode that cuts off what is too long', async () => {
      const { encryption } = app
      const options = { ...db().options, entities: [User], poolSize: 1 } as DataSourceOptions
      const dataSource = new DataSource(encryption.configure(options))
      await dataSource.initialize()
      await dataSource.query("SET SESSION sql_mode = ''")
      expect(bad(await databaseFindings(dataSource, 'ormconfig.ts'))).toEqual([
        expect.stringContaining('problem: sql_mode is not strict'),
      ])
      await dataSource.destroy()
    })
  },
  { databases: ['mariadb'] },
)

@Entity()
class Letter {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ storage: 'text', maxLength: 100 }) body!: string
  @KmsEncrypted({ type: 'string', acceptPlaintext: true, nullable: true }) note!: string | null
}

describeDatabases(
  'The doctor, with plaintext that is accepted and ciphertext in text columns,',
  (db) => {
    let app: TestApplication

    beforeEach(async () => {
      app = await startApplication(db(), [Letter])
    })
    afterEach(() => app.stop())

    it('warns of plaintext', async () => {
      await app.dataSource.getRepository(Letter).insert({ body: 'b', note: null })
      await db().rawQuery('UPDATE letter SET note = ?', [Buffer.from('plain')])
      const found = await databaseFindings(app.dataSource, 'ormconfig.ts')
      expect(bad(found)).toEqual([
        'warning: Letter.note: 1 row of plaintext, which acceptPlaintext lets pass.',
      ])
      expect(found.find(({ level }) => level === 'warning')!.remedy).toBe(
        'typeorm-kms encrypt -d ormconfig.ts --columns Letter.note',
      )
    })

    it('finds columns that are too short or of the wrong type', async () => {
      const statements = {
        mariadb: ['ALTER TABLE letter MODIFY body varchar(100)', 'ALTER TABLE letter MODIFY note int'],
        postgres: [
          'ALTER TABLE letter ALTER COLUMN body TYPE varchar(100)',
          'ALTER TABLE letter ALTER COLUMN note TYPE integer USING NULL',
        ],
      }
      for (const statement of statements[db().name as 'mariadb']) await db().rawQuery(statement)
      const found = bad(await databaseFindings(app.dataSource, 'ormconfig.ts'))
      expect(found).toHaveLength(2)
      expect(found[0]).toMatch(
        /^problem: Letter.body: (varchar|character varying) of 100 is too short\. A value/,
      )
      expect(found[1]).toMatch(
        /^problem: Letter.note: the column is of type int(eger|\(11\))?, and .* binary/,
      )
    })
  },
  { databases: ['mariadb', 'postgres'] },
)
