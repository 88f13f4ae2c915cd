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
import { describeDatabases } from '../support/databases'
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
    to: Declaration,
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

  it.each<[string, Declaration | 'plain', Declaration]>([
    ['another storage', {}, { storage: 'text' }],
    ['a smaller maxLength', { maxLength: 2_000 }, { maxLength: 10 }],
    ['another mode', { maxLength: 500 }, { maxLength: 500, mode: 'direct' }],
    ['the decorator’s arrival', 'plain', {}],
    ['a renamed property', {}, { property: 'renamed' }],
    ['a renamed column', {}, { name: 'renamed' }],
  ])('drops no values for %s', async (what, from, to) => {
    const { before, after, error } = await change(from, to)
    expect(after).toEqual(before)
    if (!error) return
    // SQLite keeps plaintext as it is in the new table: then it is the first read that tells.
    if (error.code === 'PLAINTEXT_FOUND' && db().name === 'sqlite') return
    expect(error).toMatchObject({ code: 'COLUMN_TYPE', entity: 'Box' })
    expect(error.message).toMatch(/^Box\.(secret|renamed): .*migration:generate/)
    expect(what).toBeTruthy()
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
