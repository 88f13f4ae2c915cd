import 'reflect-metadata'
import { inspect } from 'node:util'
import {
  Column,
  DataSource,
  type DataSourceOptions,
  Entity,
  EntitySchema,
  EventSubscriber,
  PrimaryGeneratedColumn,
} from 'typeorm'
import {
  kmsEncryption,
  type KmsEncryptedOptions,
  KmsEncrypted,
  kmsEncryptedColumn,
} from 'typeorm-kms-encrypted'
import { encryptColumns } from 'typeorm-kms-encrypted/migration'
import { type DatabaseName, describeDatabases } from '../support/databases'
import { failure, KEY, testKms } from '../support/encryption'

type Declaration = KmsEncryptedOptions & { property?: string }

/** The entity `Box` with its one value declared so; or not encrypted at all. */
function box(declaration: Declaration | 'plain'): new () => object {
  class Box {}
  PrimaryGeneratedColumn()(Box.prototype, 'id')
  if (declaration === 'plain') Column({ type: 'text' })(Box.prototype, 'secret')
  else {
    const { property = 'secret', ...options } = declaration
    KmsEncrypted({ type: 'string', ...options })(Box.prototype, property)
  }
  Entity('box')(Box)
  return Box
}

const ALL_REFUSE = { mariadb: 'refused', postgres: 'refused', sqlite: 'refused' } as const

describeDatabases('synchronize', (db) => {
  let client: Awaited<ReturnType<typeof testKms>>['client']

  beforeAll(async () => {
    ;({ client } = await testKms())
  })

  async function start(
    declaration: Declaration | 'plain',
    options: Partial<DataSourceOptions>,
  ): Promise<DataSource> {
    const encryption = kmsEncryption({ keyId: KEY, client })
    const merged = { ...db().options, entities: [box(declaration)], synchronize: true, ...options }
    return new DataSource(encryption.configure(merged as DataSourceOptions)).initialize()
  }

  /** What is stored after the second declaration was synchronised over a value of the first. */
  async function change(
    from: Declaration | 'plain',
    to: Declaration | 'plain',
  ): Promise<{ before: unknown; after: unknown; error?: Error & { code?: string }; read?: unknown }> {
    const first = await start(from, { dropSchema: true })
    await first.getRepository('box').save({ secret: 'of Ada' })
    await first.destroy()
    const stored = () => db().rawQuery(`SELECT ${db().quote('secret')} AS v FROM ${db().quote('box')}`)
    const [before] = await stored()
    const second = start(to, {})
    try {
      const dataSource = await second
      const read = await dataSource.getRepository('box').find()
      await dataSource.destroy()
      return { before, after: (await stored())[0], read }
    } catch (error) {
      return { before, after: (await stored())[0], error: error as Error }
    }
  }

  /** `kept`: nothing is dropped. `unread`: nor is anything, and the first read tells that the rows are plaintext. */
  type Outcome = 'refused' | 'kept' | 'unread'

  it.each<[string, Declaration | 'plain', Declaration | 'plain', Record<DatabaseName, Outcome>]>([
    ['another storage', {}, { storage: 'text' }, { mariadb: 'refused', postgres: 'refused', sqlite: 'kept' }],
    [
      'a smaller maxLength',
      { maxLength: 2_000 },
      { maxLength: 10 },
      { mariadb: 'refused', postgres: 'kept', sqlite: 'kept' },
    ],
    [
      'another mode',
      { maxLength: 500 },
      { maxLength: 500, mode: 'direct' },
      { mariadb: 'refused', postgres: 'kept', sqlite: 'kept' },
    ],
    ['the decorator’s arrival', 'plain', {}, { mariadb: 'refused', postgres: 'refused', sqlite: 'unread' }],
    ['a renamed property', {}, { property: 'renamed' }, ALL_REFUSE],
    ['a renamed column', {}, { name: 'renamed' }, ALL_REFUSE],
  ])('drops no values for %s', async (_, from, to, outcomes) => {
    const { before, after, error, read } = await change(from, to)
    expect(after).toEqual(before)
    const outcome = outcomes[db().name]
    if (outcome === 'kept') expect({ error, read }).toEqual({ read: [{ id: 1, secret: 'of Ada' }] })
    else if (outcome === 'unread') expect(error).toMatchObject({ code: 'PLAINTEXT_FOUND', entity: 'Box' })
    else {
      expect(error).toMatchObject({ code: 'COLUMN_TYPE', entity: 'Box' })
      expect(error?.message).toMatch(/^Box\.(secret|renamed): .*migration:generate/)
    }
  })

  it('after the decorator’s arrival on SQLite leaves what encrypting in place makes right', async () => {
    if (db().name !== 'sqlite') return
    await change('plain', {})
    const dataSource = await start({}, {})
    expect(await encryptColumns(dataSource, 'box', ['secret'])).toMatchObject([{ changed: 1 }])
    await expect(dataSource.getRepository('box').find()).resolves.toEqual([{ id: 1, secret: 'of Ada' }])
    await dataSource.destroy()
  })

  it('drops no ciphertexts where the decorator leaves', async () => {
    const other = class {}
    PrimaryGeneratedColumn()(other.prototype, 'id')
    KmsEncrypted({ type: 'string' })(other.prototype, 'secret')
    Entity('other')(other)
    const first = await start({}, { dropSchema: true })
    await first.getRepository('box').save({ secret: 'of Ada' })
    await first.destroy()
    const stored = () => db().rawQuery(`SELECT ${db().quote('secret')} AS v FROM ${db().quote('box')}`)
    const before = await stored()
    const leaving = start('plain', { entities: [box('plain'), other] })
    if (db().name === 'sqlite') await (await leaving).destroy()
    else expect(await failure(leaving)).toMatchObject({ code: 'COLUMN_TYPE', entity: 'Box' })
    expect(await stored()).toEqual(before)
  })

  it('refuses a renamed column on every database', async () => {
    expect((await change({}, { name: 'renamed' })).error).toMatchObject({ code: 'COLUMN_TYPE' })
  })

  it('widens', async () => {
    for (const [from, to] of [
      [{ maxLength: 10 }, { maxLength: 500 }],
      [{ maxLength: 10 }, {}],
      [
        { maxLength: 10, storage: 'text' },
        { maxLength: 100_000, storage: 'text' },
      ],
    ] as const) {
      const { before, after, error, read } = await change(from, to)
      expect(error).toBeUndefined()
      expect(after).toEqual(before)
      expect(read).toEqual([{ id: 1, secret: 'of Ada' }])
    }
  })

  it('asks which DataSource is meant where several have the entity', async () => {
    const encryption = kmsEncryption({ keyId: KEY, client })
    const options = { ...db().options, entities: [box({})], synchronize: true, dropSchema: true }
    const one = await new DataSource(encryption.configure(options)).initialize()
    const stored = await encryption.encrypt('box', 'secret', 'a')
    const other = await new DataSource(
      encryption.configure({ ...db().options, entities: options.entities }),
    ).initialize()
    for (const guess of [
      encryption.encrypt('box', 'secret', 'a'),
      encryption.decrypt('box', 'secret', stored),
    ])
      expect(await failure(guess)).toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringMatching(/last argument/),
      })
    await expect(encryption.decrypt('box', 'secret', stored, other)).resolves.toBe('a')
    await expect(encryption.encrypt('box', 'secret', 'a', one)).resolves.toBeDefined()
    await other.destroy()
    await expect(encryption.decrypt('box', 'secret', stored)).resolves.toBe('a')
    expect(() => inspect(one, { depth: null, showHidden: true })).not.toThrow()
    await one.destroy()
  })

  it('leaves a DataSource without encrypted columns its subscribers, and puts its own last', async () => {
    class Mine {}
    EventSubscriber()(Mine)
    for (const [declaration, names] of [
      [{}, ['Mine', 'KmsEncryptionSubscriber']],
      ['plain', ['Mine']],
    ] as const) {
      const dataSource = await start(declaration, { dropSchema: true, subscribers: [Mine] })
      expect(dataSource.subscribers.map((each) => each.constructor.name)).toEqual(names)
      await dataSource.destroy()
    }
  })

  it('has schemas that can be printed', () => {
    const { options } = new EntitySchema({
      name: 'Printed',
      columns: {
        id: { type: Number, primary: true },
        secret: kmsEncryptedColumn({ type: 'string', comment: '' }),
      },
    })
    expect(inspect(options, { depth: null })).toContain('[encrypted]')
  })
})
