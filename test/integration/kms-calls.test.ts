import 'reflect-metadata'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { pass, startClock, stopClock } from '../support/clock'
import { describeDatabases } from '../support/databases'
import { startApplication, type TestApplication } from '../support/encryption'

@Entity()
class User {
  @PrimaryGeneratedColumn() id!: number
  @Column() email!: string
  @KmsEncrypted() privateKey!: string
  @KmsEncrypted({ nullable: true }) recovery?: string
}

@Entity()
class DirectUser {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ mode: 'direct' }) privateKey!: string
}

/** `TEST_USERS=10000` makes it as many as the README speaks of; the calls are the same. */
const USERS = Number(process.env['TEST_USERS'] ?? 1_000)

const newUsers = (count: number): Partial<User>[] =>
  Array.from({ length: count }, (_, index) => ({
    email: `user${index}@example.org`,
    privateKey: `key ${index}`.padEnd(128, '0'),
  }))

describeDatabases('KMS is used sparingly', (db) => {
  let app: TestApplication

  beforeAll(async () => {
    app = await startApplication(db(), [User, DirectUser])
  })
  beforeEach(async () => {
    await app.dataSource.getRepository(User).clear()
  })
  afterEach(startClock)
  afterAll(() => app.stop())

  const calls = (): Record<string, number> => {
    const counts: Record<string, number> = {}
    for (const { operation } of app.kms.calls) counts[operation] = (counts[operation] ?? 0) + 1
    return counts
  }

  it.each([
    ['as many as it has', 1_000],
    ['fewer', 4],
  ])('a page costs one call for each of its data keys, where the memory holds %s', async (_, maxKeys) => {
    const writer = await app.restart({ cache: { maxValues: 1 } })
    for (const user of newUsers(10)) await writer.dataSource.getRepository(User).insert(user)
    const { dataSource } = await app.restart({ cache: { maxKeys } })
    app.kms.calls.reset()
    expect(await dataSource.getRepository(User).find()).toHaveLength(10)
    expect(calls()).toEqual({ Decrypt: 10 })
  })

  it(`${USERS} users inserted and read back in a fresh process cost one GenerateDataKey and one Decrypt`, async () => {
    app.kms.calls.reset()
    const writer = await app.restart()
    const users = newUsers(USERS)
    await writer.dataSource.getRepository(User).save(users, { chunk: 500 })
    expect(calls()).toEqual({ GenerateDataKey: 1 })

    app.kms.calls.reset()
    const reader = await app.restart()
    const found = await reader.dataSource.getRepository(User).find({ order: { id: 'ASC' } })
    expect(found.map(({ privateKey }) => privateKey)).toEqual(users.map(({ privateKey }) => privateKey))
    expect(calls()).toEqual({ Decrypt: 1 })
    await Promise.all([writer.dataSource.destroy(), reader.dataSource.destroy()])
  })

  it('requests at once for the same data key are one call', async () => {
    const { dataSource } = await app.restart()
    app.kms.calls.reset()
    app.kms.misbehave({ latency: 20 })
    await Promise.all(newUsers(20).map((user) => dataSource.getRepository(User).insert(user)))
    expect(calls()).toEqual({ GenerateDataKey: 1 })

    const cold = await app.restart()
    app.kms.calls.reset()
    await Promise.all(Array.from({ length: 20 }, () => cold.dataSource.getRepository(User).find()))
    app.kms.misbehave({})
    expect(calls()).toEqual({ Decrypt: 1 })
    await Promise.all([dataSource.destroy(), cold.dataSource.destroy()])
  })

  it('a data key seals at most maxValues values, and a page costs one call per data key', async () => {
    const { dataSource } = await app.restart({ cache: { maxValues: 10 } })
    app.kms.calls.reset()
    await dataSource.getRepository(User).insert(newUsers(35))
    expect(calls()).toEqual({ GenerateDataKey: 4 })

    const cold = await app.restart()
    app.kms.calls.reset()
    expect(await cold.dataSource.getRepository(User).find()).toHaveLength(35)
    expect(calls()).toEqual({ Decrypt: 4 })
    await Promise.all([dataSource.destroy(), cold.dataSource.destroy()])
  })

  it('a data key older than maxAge is not used again', async () => {
    stopClock()
    const { dataSource } = await app.restart({ cache: { maxAge: 100 } })
    const users = dataSource.getRepository(User)
    app.kms.calls.reset()
    const [first] = await users.save(newUsers(2))
    await pass(150, 10)
    await users.insert(newUsers(1))
    await users.findOneByOrFail({ id: first!.id })
    expect(calls()).toEqual({ GenerateDataKey: 2, Decrypt: 1 })
    await dataSource.destroy()
  })

  it('raw queries and queries of other columns cost nothing', async () => {
    await app.dataSource.getRepository(User).insert(newUsers(3))
    const { dataSource } = await app.restart()
    app.kms.calls.reset()
    await dataSource.query(`SELECT * FROM ${db().quote('user')}`)
    await dataSource.getRepository(User).find({ select: { id: true, email: true } })
    await dataSource.getRepository(User).count()
    expect(calls()).toEqual({})
    await dataSource.destroy()
  })

  it('in direct mode each value is one call, and the AWS CLI decrypts what is stored after the 7-byte header', async () => {
    app.kms.calls.reset()
    const { id } = await app.dataSource.getRepository(DirectUser).save({ privateKey: 'a private key' })
    await app.dataSource.getRepository(DirectUser).findOneByOrFail({ id })
    expect(calls()).toEqual({ Encrypt: 1, Decrypt: 1 })

    const table = db().quote('direct_user')
    const [row] = await db().rawQuery(`SELECT ${db().quote('privateKey')} AS v FROM ${table} WHERE id = ?`, [
      id,
    ])
    const decrypted = await decryptWithAwsCli(
      app,
      (row!.v as Buffer).subarray(7),
      'table=direct_user,column=privateKey',
    )
    if (decrypted !== undefined) expect(decrypted).toBe('a private key')
  })

  it('metrics() counts the same', async () => {
    const { encryption, dataSource } = await app.restart()
    await dataSource.getRepository(User).save(newUsers(5))
    await dataSource.getRepository(User).find()
    expect(encryption.metrics()).toMatchObject({
      kmsCalls: { GenerateDataKey: 1, Encrypt: 0, Decrypt: 0 },
      dataKeys: { cached: 1 },
      values: { encrypted: 5, decrypted: 5 },
    })
    await dataSource.destroy()
  })
})

/** What the AWS CLI makes of a blob; `undefined`, with the reason printed, where there is no AWS CLI. */
async function decryptWithAwsCli(
  { kms }: TestApplication,
  blob: Buffer,
  context: string,
): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'aws-cli-'))
  const server = await kms.listen()
  const file = join(folder, 'blob')
  await writeFile(file, blob)
  const environment = {
    AWS_ACCESS_KEY_ID: 'x',
    AWS_SECRET_ACCESS_KEY: 'x',
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_PAGER: '',
  }
  const decrypt = ['--endpoint-url', server.url, 'kms', 'decrypt', '--ciphertext-blob', `fileb://${file}`]
  const output = ['--encryption-context', context, '--query', 'Plaintext', '--output', 'text']
  try {
    const { stdout } = await promisify(execFile)('aws', [...decrypt, ...output], {
      env: { ...process.env, ...environment },
    })
    return Buffer.from(stdout, 'base64').toString()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    console.warn('The AWS CLI is not installed, so its decryption was not tried')
    return undefined
  } finally {
    await server.close()
    await rm(folder, { recursive: true })
  }
}
