import { DisableKeyCommand, EnableKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { Column, DataSource, type DataSourceOptions, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { applicationFindings } from '../../../src/cli/commands/doctor/application'
import { databaseFindings } from '../../../src/cli/commands/doctor/database'
import { kmsFindings } from '../../../src/cli/commands/doctor/kms'
import { encryptedColumns } from '../../../src/cli/commands/keys/key-usage'
import { type Finding } from '../../../src/cli/commands/doctor/finding'
import { describeDatabases } from '../../support/databases'
import { KEY, startApplication, type TestApplication } from '../../support/encryption'

@Entity()
class User {
  @PrimaryGeneratedColumn() id!: number
  @Column() email!: string
  @KmsEncrypted({ maxLength: 100 }) token!: string
  @KmsEncrypted({ type: 'string', nullable: true }) note!: string | null
  @KmsEncrypted({ mode: 'direct', nullable: true }) seed!: string
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
      ...(await databaseFindings(app.dataSource)),
    ]
    expect(bad(findings)).toEqual([])
    const messages = findings.map(({ message }) => message).join('\n')
    expect(messages).toContain('3 encrypted columns in User')
    expect(messages).toContain(`the key ${KEY} (arn:aws:kms:`)
    expect(messages).toContain('GenerateDataKey and Decrypt are allowed under { table: user }')
    expect(messages).toContain('Encrypt and Decrypt are allowed under { table: user, column: seed }')
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
    expect(bad(await databaseFindings(app.dataSource))).toEqual([
      expect.stringMatching(/problem: User.note: the database has no column note in the table/),
    ])
  })

  it('finds rows of plaintext', async () => {
    await sql(`UPDATE "user" SET "note" = 'plain'`)
    expect(bad(await databaseFindings(app.dataSource))).toEqual([
      'problem: User.note: 1 row of plaintext: reading them fails.',
    ])
  })

  it('finds a key that is disabled, and permissions that are missing', async () => {
    const keyArn = await app.createKey()
    const { dataSource } = await app.restart({ keyId: keyArn })
    await app.client.send(new DisableKeyCommand({ KeyId: keyArn }))
    const columns = encryptedColumns(dataSource)
    const examine = () => kmsFindings(columns, app.client, (column) => column.cipher.kms)
    expect(bad(await examine())).toEqual([
      expect.stringContaining(`problem: the key ${keyArn} is Disabled`),
      expect.stringMatching(/^problem: GenerateDataKey and Decrypt under .*is disabled/),
      expect.stringMatching(/^problem: Encrypt and Decrypt under .*is disabled/),
    ])
    await app.client.send(new EnableKeyCommand({ KeyId: keyArn }))
    app.kms.misbehave({ deny: ['Decrypt', 'DescribeKey'] })
    expect(bad(await examine())).toEqual([
      expect.stringMatching(/^note: the key .* state is not known/),
      expect.stringMatching(/^problem: GenerateDataKey .*Allow kms:Decrypt on/),
      expect.stringMatching(/^problem: Encrypt .*Allow kms:Decrypt on/),
    ])
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
    const { requestHandler } = app.kms
    const client = new KMSClient({
      region: 'us-east-1',
      credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
      requestHandler: {
        async handle(...args: Parameters<typeof requestHandler.handle>) {
          const { response } = await requestHandler.handle(...args)
          const date = new Date(Date.now() + skew).toUTCString()
          return { response: { ...response, headers: { ...response.headers, date } } }
        },
      },
    })
    expect(bad(await examineKms(client))).toEqual(expected)
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
      expect(bad(await databaseFindings(app.dataSource))).toEqual([
        expect.stringContaining(
          'problem: User.token: varbinary of 300 is too short. A value of 100 bytes needs up to',
        ),
        expect.stringMatching(
          /^problem: User.note: the column is of type varchar, and ciphertext needs a binary one/,
        ),
      ])
      await db().rawQuery('ALTER TABLE user MODIFY token varbinary(400) NOT NULL, MODIFY note varbinary(400)')
      expect(bad(await databaseFindings(app.dataSource))).toEqual([
        expect.stringMatching(/^warning: User.note: varbinary of 400 has room for values of \d+ bytes/),
      ])
    })

    it('finds a sql_mode that cuts off what is too long', async () => {
      const { encryption } = app
      const options = { ...db().options, entities: [User], poolSize: 1 } as DataSourceOptions
      const dataSource = new DataSource(encryption.configure(options))
      await dataSource.initialize()
      await dataSource.query("SET SESSION sql_mode = ''")
      expect(bad(await databaseFindings(dataSource))).toEqual([
        expect.stringContaining('problem: sql_mode is not strict'),
      ])
      await dataSource.destroy()
    })
  },
  { databases: ['mariadb'] },
)
