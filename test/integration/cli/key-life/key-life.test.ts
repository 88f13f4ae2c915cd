import { CreateKeyCommand, DecryptCommand, KMSClient } from '@aws-sdk/client-kms'
import { DataSource } from 'typeorm'
import { type KmsEncryption, kmsEncryption } from 'typeorm-kms-encrypted'
import { LocalKms } from 'typeorm-kms-encrypted/local-kms'
import { createDatabase, type TestDatabase, typeormVersion } from '../../../support/databases'
import { failure } from '../../../support/encryption'
import { selectedDatabases } from '../../../support/selection'
import { typeormKms } from '../tool'
import { User } from './ormconfig'

// The tool is a process of its own and loads the TypeORM that is installed, so this runs once.
const applies = selectedDatabases().includes('mariadb') && typeormVersion.startsWith('1.')
const describeIt = applies ? describe : describe.skip
if (!applies)
  process.stdout.write('The life of a key is left out here: it runs once, with TypeORM 1.x on MariaDB.\n')

const DATA_SOURCE = 'test/integration/cli/key-life/ormconfig.ts'

/** Milliseconds. */
const DAY = 86_400_000

describeIt('The life of a KMS key, with the tool, on MariaDB', () => {
  const kms = new LocalKms({ quiet: true })
  let server: Awaited<ReturnType<LocalKms['listen']>>
  let database: TestDatabase
  let client: KMSClient
  const running: { dataSource: DataSource; encryption: KmsEncryption }[] = []
  /** Of the key whose life this is, and of the one after it. */
  const key = { id: '', arn: '' }
  const next = { id: '', arn: '' }

  beforeAll(async () => {
    server = await kms.listen()
    database = await createDatabase('mariadb')
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
    client = new KMSClient({ endpoint: server.url, region: kms.region, credentials, maxAttempts: 1 })
    for (const Description of ['billing', 'backups']) await client.send(new CreateKeyCommand({ Description }))
  })

  afterAll(async () => {
    for (const { dataSource, encryption } of running) {
      await dataSource.destroy()
      encryption.close()
    }
    client.destroy()
    await database.drop()
    await server.close()
  })

  /** Runs the tool, whose application encrypts under `keyId`. */
  const tool = (args: string, keyId = key.arn) =>
    typeormKms(args.split(' '), {
      AWS_ENDPOINT_URL_KMS: server.url,
      AWS_REGION: kms.region,
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_EC2_METADATA_DISABLED: 'true',
      KMS_KEY_ID: keyId,
      TEST_DATABASE: JSON.stringify(database.options),
    })
  const json = async <T>(args: string): Promise<T> => {
    const { status, stdout, stderr } = await tool(`${args} --json`)
    expect([status, stderr]).toEqual([0, ''])
    return JSON.parse(stdout) as T
  }
  /** A fresh process of the application. */
  const application = async (keyId: string, synchronize = false) => {
    const encryption = kmsEncryption({ keyId, client })
    const options = { ...database.options, entities: [User], synchronize }
    const dataSource = await new DataSource(encryption.configure(options)).initialize()
    running.push({ dataSource, encryption })
    return dataSource.getRepository(User)
  }
  const user = { email: 'a@example.org', privateKey: 'a private key', note: 'a note', seed: 'a seed' }

  it('creates it, and says what to put into the environment', async () => {
    const { status, stdout } = await typeormKms(
      ['keys', 'create', '--description', 'private keys of users', '--alias', 'my-app', '--rotation'],
      {
        AWS_ENDPOINT_URL_KMS: server.url,
        AWS_REGION: kms.region,
        AWS_ACCESS_KEY_ID: 'x',
        AWS_SECRET_ACCESS_KEY: 'x',
      },
    )
    expect(status).toBe(0)
    expect(stdout).toContain('KMS_KEY_ID=alias/my-app')
    expect(stdout).toMatch(/rotation +yearly/)
    expect(stdout).not.toContain('\u001b')
    key.arn = /arn:\S+/.exec(stdout)![0]
    key.id = key.arn.split('/')[1]!
  })

  it('finds it among others', async () => {
    const { stdout } = await tool('keys list')
    const lines = stdout.trim().split('\n')
    const hints = lines.indexOf('')
    expect(lines.slice(0, hints < 0 ? undefined : hints)).toHaveLength(4)
    expect(lines[1]).toMatch(
      new RegExp(`^alias/my-app +private keys of users +${key.id} +CUSTOMER +Enabled +yearly`),
    )
    const keys = await json<{ arn: string; aliases: string[] }[]>('keys list')
    expect(keys.find(({ aliases }) => aliases.includes('alias/my-app'))!.arn).toBe(key.arn)
  })

  it('encrypts under it, and decrypts without naming it', async () => {
    const users = await application('alias/my-app', true)
    await users.insert([{ ...user }, { ...user, email: 'b@example.org', note: null }])
    expect(await users.find()).toMatchObject([user, { note: null }])
    const [row] = await database.rawQuery('SELECT HEX(seed) AS seed, HEX(privateKey) AS privateKey FROM user')
    const { KeyId, Plaintext } = await client.send(
      new DecryptCommand({
        CiphertextBlob: Buffer.from((row!.seed as string).slice(14), 'hex'),
        EncryptionContext: { table: 'user', column: 'seed' },
      }),
    )
    expect([KeyId, Buffer.from(Plaintext!).toString()]).toEqual([key.arn, 'a seed'])
    const inspected = await tool(`inspect ${row!.privateKey as string} --list-keys`)
    expect(inspected.stdout).toMatch(new RegExp(`KMS key +${key.arn}, alias/my-app`))
    expect(inspected.stdout).toMatch(/value +13 bytes/)
  })

  it('is found well by the doctor', async () => {
    const { status, stdout, stderr } = await tool(`doctor -d ${DATA_SOURCE}`)
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toContain('All is well.')
  })

  it('refuses to delete it where nobody has looked, and while values are under it, with the count per column', async () => {
    const blind = await tool(`keys schedule-deletion ${key.id} --days 7`)
    expect(blind.status).toBe(1)
    expect(blind.stderr).toContain('nobody has looked')

    const { status, stderr } = await tool(`keys schedule-deletion alias/my-app --days 7 -d ${DATA_SOURCE}`)
    expect(status).toBe(1)
    expect(stderr).toContain('User.privateKey: 2 values under it')
    expect(stderr).toContain('User.note: 1 value under it')
    expect(stderr).toContain('User.seed: 2 values under it')
    expect(stderr).toContain(`typeorm-kms rotate -d ${DATA_SOURCE}`)

    expect(await json('keys describe alias/my-app')).toMatchObject({ state: 'Enabled' })
  })

  it('moves the data to the next key', async () => {
    const created = await json<{ id: string; arn: string }>('keys create --description next --alias next')
    Object.assign(next, { id: created.id, arn: created.arn })
    // The application is deployed with the next key first; what is there is still under the old one.
    const waiting = await tool(`keys schedule-deletion ${key.id} --days 7 -d ${DATA_SOURCE}`, next.arn)
    expect(waiting.status).toBe(1)
    expect(waiting.stderr).not.toContain('new values are encrypted under it')
    const { status, stderr } = await tool(`rotate -d ${DATA_SOURCE}`, next.arn)
    expect({ status, stderr }).toMatchObject({ status: 0 })
    expect(await (await application(next.arn)).find()).toMatchObject([user, { note: null }])
  })

  it('schedules the deletion, says until when it can be cancelled, and sees encryption refused', async () => {
    const { status, stdout } = await tool(
      `keys schedule-deletion ${key.id} --days 7 -d ${DATA_SOURCE}`,
      next.arn,
    )
    expect(status).toBe(0)
    const [, date = ''] = /will be deleted on (\d{4}-\d\d-\d\d)/.exec(stdout) ?? []
    expect(Math.abs(Date.parse(date) - Date.now() - 7 * DAY)).toBeLessThan(2 * DAY)
    expect(stdout).toContain(`typeorm-kms keys cancel-deletion ${key.id}`)
    expect((await tool('keys list')).stdout).toMatch(new RegExp(`${key.id} .*PendingDeletion .*${date}`))
    const users = await application('alias/my-app')
    expect(await failure(users.insert({ ...user }))).toMatchObject({ code: 'KMS_KEY_PENDING_DELETION' })
    // What was moved does not need it any more.
    expect(await users.find()).toMatchObject([user, { note: null }])
    const ill = await tool(`doctor -d ${DATA_SOURCE}`, key.arn)
    expect(ill.status).toBe(1)
    // Long remarks are broken at the terminal's width.
    expect(ill.stdout).toMatch(/✗ the key\s+\S+\s+is PendingDeletion, and will be deleted on/)
  })

  it('cancels the deletion', async () => {
    const cancelled = await json<{ state: string }>(`keys cancel-deletion ${key.id}`)
    expect(cancelled.state).toBe('Disabled')
    expect(await json('keys enable alias/my-app')).toMatchObject({ state: 'Enabled' })
    const users = await application('alias/my-app')
    await users.insert({ ...user })
    expect(await users.count()).toBe(3)
  })
})
