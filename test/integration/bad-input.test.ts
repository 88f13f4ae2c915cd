import 'reflect-metadata'
import { inspect } from 'node:util'
import {
  DisableKeyCommand,
  EnableKeyCommand,
  EncryptCommand,
  KMSClient,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import {
  Column,
  DataSource,
  type DataSourceOptions,
  Entity,
  EntitySchema,
  Index,
  PrimaryGeneratedColumn,
  type Repository,
  Unique,
} from 'typeorm'
import { kmsEncryption, KmsEncrypted, KmsEncryptionError, kmsEncryptedColumn } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { failure, KEY, startApplication, type TestApplication } from '../support/encryption'

const SECRET = 'canary-5f0e1c7a-plaintext'

@Entity()
class User {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar', default: '' }) email!: string
  @KmsEncrypted({ maxLength: 200 }) privateKey!: string
}

@Entity()
class DirectUser {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ type: 'string', mode: 'direct', nullable: true }) pin!: string | null
}

/** A client that finds nothing in the environment, and asks no metadata service of a cloud. */
function withoutEnvironment<T>(body: () => Promise<T>): Promise<T> {
  const saved = { ...process.env }
  for (const name of Object.keys(process.env))
    if (name.startsWith('AWS_')) Reflect.deleteProperty(process.env, name)
  Object.assign(process.env, {
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/nonexistent',
    AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
  })
  return body().finally(() => {
    for (const name of Object.keys(process.env))
      if (name.startsWith('AWS_')) Reflect.deleteProperty(process.env, name)
    Object.assign(process.env, saved)
  })
}

describeDatabases('bad input is named, and loses nothing', (db) => {
  let app: TestApplication
  let users: Repository<User>

  beforeAll(async () => {
    app = await startApplication(db(), [User, DirectUser])
    users = app.dataSource.getRepository(User)
  })
  afterEach(() => {
    app.kms.misbehave({})
  })
  afterAll(() => app.stop())

  /** The error of saving a user, with nothing written and nothing given away. */
  async function saveFails(
    options: Parameters<TestApplication['restart']>[0],
  ): Promise<Error & { code?: string }> {
    const { dataSource } = await app.restart(options)
    const repository = dataSource.getRepository(User)
    const before = await users.count()
    const user = repository.create({ privateKey: SECRET })
    const error = await failure(repository.save(user))
    expect(error).toBeInstanceOf(KmsEncryptionError)
    expect(error).toMatchObject({ entity: 'User', property: 'privateKey' })
    expect(error.message).toMatch(/^User\.privateKey: /)
    expect(inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error)).not.toContain(SECRET)
    expect(user).toEqual({ privateKey: SECRET })
    expect(await users.count()).toBe(before)
    await dataSource.destroy()
    return error
  }

  describe('from KMS, on the way in:', () => {
    it('an unknown key', async () => {
      expect(await saveFails({ keyId: 'alias/unknown' })).toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
      const id = '11111111-2222-3333-4444-555555555555'
      expect(await saveFails({ keyId: id })).toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
    })

    it('a disabled key', async () => {
      const keyId = await app.createKey()
      await app.client.send(new DisableKeyCommand({ KeyId: keyId }))
      expect(await saveFails({ keyId })).toMatchObject({ code: 'KMS_KEY_DISABLED' })
    })

    it('a key that is scheduled for deletion', async () => {
      const keyId = await app.createKey()
      await app.client.send(new ScheduleKeyDeletionCommand({ KeyId: keyId }))
      expect(await saveFails({ keyId })).toMatchObject({ code: 'KMS_KEY_PENDING_DELETION' })
    })

    it('an asymmetric key, and one for HMAC', async () => {
      const rsa = await app.createKey({ KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' })
      expect(await saveFails({ keyId: rsa })).toMatchObject({ code: 'KMS_KEY_UNUSABLE' })
      const hmac = await app.createKey({ KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' })
      expect(await saveFails({ keyId: hmac })).toMatchObject({ code: 'KMS_KEY_UNUSABLE' })
    })

    it('a key in another region', async () => {
      const keyId = (await app.createKey()).replace(app.kms.region, 'eu-central-1')
      expect(await saveFails({ keyId })).toMatchObject({ code: 'KMS_REGION' })
    })

    it('access denied', async () => {
      app.kms.misbehave({ deny: 'GenerateDataKey' })
      const error = await saveFails({})
      expect(error).toMatchObject({ code: 'KMS_ACCESS_DENIED' })
      expect(error.message).toContain('kms:GenerateDataKey')
    })

    it('throttling', async () => {
      app.kms.misbehave({ throttle: 1 })
      expect(await saveFails({})).toMatchObject({ code: 'KMS_THROTTLED' })
    })

    it('an outage', async () => {
      app.kms.misbehave({ outage: true })
      expect(await saveFails({})).toMatchObject({ code: 'KMS_UNAVAILABLE' })
    })

    it('an endpoint where nobody listens', async () => {
      const client = new KMSClient({
        region: 'us-east-1',
        endpoint: 'http://127.0.0.1:1',
        maxAttempts: 1,
        credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
      })
      expect(await saveFails({ client })).toMatchObject({ code: 'KMS_UNAVAILABLE' })
    })

    it('no credentials', async () => {
      const client = await withoutEnvironment(() =>
        Promise.resolve(new KMSClient({ region: 'us-east-1', maxAttempts: 1 })),
      )
      expect(await withoutEnvironment(() => saveFails({ client }))).toMatchObject({ code: 'KMS_CREDENTIALS' })
    })

    it('no region', async () => {
      const client = new KMSClient({
        maxAttempts: 1,
        credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
      })
      expect(await withoutEnvironment(() => saveFails({ client }))).toMatchObject({ code: 'KMS_REGION' })
    })

    it('a key that is not trusted', async () => {
      const keyId = await app.createKey()
      expect(await saveFails({ keyId, trustedKeys: ['999999999999'] })).toMatchObject({
        code: 'KMS_KEY_UNTRUSTED',
      })
      const { dataSource } = await app.restart({ keyId, trustedKeys: [keyId] })
      await expect(dataSource.getRepository(User).save({ privateKey: SECRET })).resolves.toBeDefined()
      await dataSource.destroy()
    })
  })

  describe('in the row:', () => {
    let id: number
    let stored: Buffer

    const table = (): string => db().quote('user')
    const column = (): string => db().quote('privateKey')
    const write = (bytes: Buffer | string): Promise<unknown> =>
      db().rawQuery(`UPDATE ${table()} SET ${column()} = ? WHERE id = ?`, [bytes, id])

    beforeEach(async () => {
      ;({ id } = await users.save({ privateKey: SECRET }))
      const [row] = await db().rawQuery(`SELECT ${column()} AS v FROM ${table()} WHERE id = ?`, [id])
      stored = row!.v as Buffer
    })
    afterEach(() => users.delete({ id }))

    /** The error of finding the user, which must be the same whether the data key is in memory or not. */
    async function findFails(): Promise<Error & { code?: string }> {
      const warm = await failure(users.findOneBy({ id }))
      const { dataSource } = await app.restart()
      const cold = await failure(dataSource.getRepository(User).findOneBy({ id }))
      await dataSource.destroy()
      for (const error of [warm, cold]) {
        expect(error).toMatchObject({ entity: 'User', property: 'privateKey', primaryKey: { id } })
        expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(SECRET)
      }
      expect(cold).toMatchObject({ code: (warm as { code?: string }).code })
      return cold
    }

    it.each([
      ['the format version', 1, 'CIPHERTEXT_MALFORMED'],
      ['the suite', 2, 'CIPHERTEXT_NEWER'],
      ['the key tag', 4, 'CIPHERTEXT_TAMPERED'],
      ['the length of the data key', 8, 'CIPHERTEXT_MALFORMED'],
      ['the data key', 100, 'CIPHERTEXT_WRONG_CONTEXT'],
      ['the IV', 195, 'CIPHERTEXT_TAMPERED'],
      ['the ciphertext', 206, 'CIPHERTEXT_TAMPERED'],
      ['the tag', -1, 'CIPHERTEXT_TAMPERED'],
    ])('a flipped bit in %s', async (_, position, code) => {
      const flipped = Buffer.from(stored)
      flipped[position < 0 ? flipped.length + position : position]! ^= 0x40
      await write(flipped)
      expect(await findFails()).toMatchObject({ code })
    })

    it('a truncated ciphertext', async () => {
      await write(stored.subarray(0, 40))
      expect(await findFails()).toMatchObject({ code: 'CIPHERTEXT_MALFORMED' })
      await write(stored.subarray(0, -1))
      expect(await findFails()).toMatchObject({ code: 'CIPHERTEXT_TAMPERED' })
    })

    it('a foreign ciphertext', async () => {
      await write(Buffer.concat([Buffer.from('0280', 'hex'), Buffer.alloc(300, 7)]))
      expect(await findFails()).toMatchObject({ code: 'PLAINTEXT_FOUND' })
    })

    it('a plaintext, which is sent nowhere', async () => {
      app.kms.calls.reset()
      await write(Buffer.from('plain text'))
      expect(await findFails()).toMatchObject({ code: 'PLAINTEXT_FOUND' })
      expect(app.kms.calls.count()).toBe(0)
    })

    it('a ciphertext of another table', async () => {
      const other = kmsEncryption({ keyId: KEY, client: app.client, context: { table: 'other' } })
      const dataSource = await new DataSource(
        other.configure({ ...db().options, entities: [User] }),
      ).initialize()
      await write(await other.encrypt(User, 'privateKey', SECRET))
      expect(await findFails()).toMatchObject({ code: 'CIPHERTEXT_WRONG_CONTEXT' })
      await dataSource.destroy()
    })

    it('a key that was disabled since: reads stop, and heal when it is enabled', async () => {
      const keyId = await app.createKey()
      const first = await app.restart({ keyId })
      const saved = await first.dataSource.getRepository(User).save({ privateKey: SECRET })
      await app.client.send(new DisableKeyCommand({ KeyId: keyId }))
      const second = await app.restart({ keyId })
      const repository = second.dataSource.getRepository(User)
      expect(await failure(repository.findOneBy({ id: saved.id }))).toMatchObject({
        code: 'KMS_KEY_DISABLED',
      })
      await app.client.send(new EnableKeyCommand({ KeyId: keyId }))
      expect((await repository.findOneByOrFail({ id: saved.id })).privateKey).toBe(SECRET)
      await repository.delete({ id: saved.id })
      await first.dataSource.destroy()
      await second.dataSource.destroy()
    })
  })

  it('a column too small for the ciphertext: the error of the database names the column, and gives nothing away', async () => {
    if (db().name !== 'mariadb') {
      // Nothing can be too small there.
      expect(users.metadata.findColumnWithPropertyName('privateKey')!.length).toBe('')
      return
    }
    await users.clear()
    await db().rawQuery('ALTER TABLE user MODIFY privateKey varbinary(100) NOT NULL')
    const user = users.create({ privateKey: SECRET })
    const error = await failure(users.save(user))
    await db().rawQuery('ALTER TABLE user MODIFY privateKey varbinary(493) NOT NULL')
    expect(error.message).toContain('privateKey')
    expect(inspect(error, { depth: 20, showHidden: true, maxStringLength: Infinity })).not.toContain(SECRET)
    expect(user.privateKey).toBe(SECRET)
  })

  it('a bare CiphertextBlob of another program is read in direct mode, with the column as context or with none', async () => {
    for (const EncryptionContext of [undefined, { table: 'direct_user', column: 'pin' }]) {
      const { CiphertextBlob } = await app.client.send(
        new EncryptCommand({ KeyId: KEY, Plaintext: Buffer.from('1234'), EncryptionContext }),
      )
      const users = app.dataSource.getRepository(DirectUser)
      const { id } = await users.save({ pin: null })
      await db().rawQuery(`UPDATE ${db().quote('direct_user')} SET pin = ? WHERE id = ?`, [
        Buffer.from(CiphertextBlob!),
        id,
      ])
      expect((await users.findOneByOrFail({ id })).pin).toBe('1234')
    }
  })

  it('a bare CiphertextBlob in a column of envelope mode, where nobody put one on purpose', async () => {
    const { CiphertextBlob } = await app.client.send(
      new EncryptCommand({ KeyId: KEY, Plaintext: Buffer.from('of another program') }),
    )
    const { id } = await users.save({ privateKey: SECRET })
    const table = db().quote('user')
    const blob = Buffer.from(CiphertextBlob!)
    await db().rawQuery(`UPDATE ${table} SET ${db().quote('privateKey')} = ? WHERE id = ?`, [blob, id])
    app.kms.calls.reset()
    expect(await failure(users.findOneBy({ id }))).toMatchObject({ code: 'PLAINTEXT_FOUND' })
    expect(app.kms.calls.count()).toBe(0)
    await users.delete({ id })
  })

  it('a DataSource whose options did not go through configure() does not start', async () => {
    const dataSource = new DataSource({ ...db().options, entities: [User] })
    const error = await failure(dataSource.initialize())
    expect(error).toMatchObject({ code: 'NOT_CONFIGURED', entity: 'User', property: 'privateKey' })
    expect(error.message).toContain('encryption.configure(')
  })

  it('a column for which nobody names a KMS key', async () => {
    const encryption = kmsEncryption({ client: app.client })
    const dataSource = new DataSource(encryption.configure({ ...db().options, entities: [User] }))
    expect(await failure(dataSource.initialize())).toMatchObject({
      code: 'KMS_KEY_ID_MISSING',
      entity: 'User',
    })
    expect(() => kmsEncryption({ keyId: process.env.NOT_SET! })).toThrow(
      expect.objectContaining({ code: 'KMS_KEY_ID_MISSING' }),
    )
  })

  it('an index or a unique constraint over an encrypted column, which would enforce nothing', async () => {
    @Entity('unique_token')
    @Unique(['token'])
    class UniqueToken {
      @PrimaryGeneratedColumn() id!: number
      @KmsEncrypted({ maxLength: 20 }) token!: string
    }
    @Entity('indexed_token')
    class IndexedToken {
      @PrimaryGeneratedColumn() id!: number
      @Index()
      @KmsEncrypted({ maxLength: 20 })
      token!: string
    }
    for (const entity of [UniqueToken, IndexedToken]) {
      const options = { ...db().options, entities: [entity] } as DataSourceOptions
      const error = await failure(new DataSource(app.encryption.configure(options)).initialize())
      expect(error).toMatchObject({ code: 'INVALID_OPTION', entity: entity.name, property: 'token' })
    }
  })

  it('a schema whose column is encrypted starts only with configure(), too', async () => {
    const Note = new EntitySchema<{ id: number; text: string }>({
      name: 'Note',
      columns: {
        id: { type: Number, primary: true, generated: true },
        text: kmsEncryptedColumn({ type: 'string' }),
      },
    })
    const forgotten = new DataSource({ ...db().options, entities: [Note] })
    expect(await failure(forgotten.initialize())).toMatchObject({ code: 'NOT_CONFIGURED' })
    const { encryption } = app
    const options = { ...db().options, entities: [Note], synchronize: true } as DataSourceOptions
    const dataSource = await new DataSource(encryption.configure(options)).initialize()
    const note = await dataSource.getRepository(Note).save({ text: SECRET })
    expect(await dataSource.getRepository(Note).findOneByOrFail({ id: note.id })).toEqual(note)
    await dataSource.destroy()
  })
})

it('a database that is not supported is refused by name', () => {
  const encryption = kmsEncryption({ keyId: KEY })
  expect(() => encryption.configure({ type: 'mongodb', url: 'mongodb://localhost' })).toThrow(
    expect.objectContaining({ code: 'UNSUPPORTED_DATABASE' }),
  )
})
