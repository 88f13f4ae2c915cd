import 'reflect-metadata'
import { DataSource, Entity, EntitySchema, getMetadataArgsStorage, PrimaryGeneratedColumn } from 'typeorm'
import { kmsEncryptedColumn, KmsEncrypted, kmsEncryption } from 'typeorm-kms-encrypted'
import { IndexColumn } from '../../../src/column/index-column'
import { addSchemaIndexes } from '../../../src/column/schema-indexes'

/** By which copies of the package know the index columns of each other. */
const INDEX = Symbol.for('typeorm-kms-encrypted/index')

@Entity()
class User {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted({ type: 'string', search: [{ name: 'domain', from: String }, true] }) email!: string
}

@Entity()
class Member extends User {
  @KmsEncrypted({
    type: 'string',
    name: 'mail',
    search: [true, { name: 'domain', from: String }],
    unique: true,
  })
  declare email: string
}

const columnsOf = (target: object) =>
  getMetadataArgsStorage().columns.filter((each) => each.target === target)

describe('The column of a blind index', () => {
  const column = columnsOf(User).find(({ propertyName }) => propertyName === 'email_index')!

  test('is none of the entity: it is neither loaded nor written with it', () => {
    expect(column.options).toMatchObject({ nullable: true, select: false, insert: false, update: false })
  })

  test('is named after the encrypted one, as TypeORM names that', () => {
    expect(column.options).not.toHaveProperty('name')
    const names = columnsOf(Member).map(({ propertyName, options }) => [propertyName, options.name])
    expect(names).toEqual(
      expect.arrayContaining([['email', 'mail'], ['email_index', 'mail_index'], ['email_domain', 'mail_domain']]), // prettier-ignore
    )
  })

  test('has an index of the database, unique if the values are', () => {
    const unique = (target: object): unknown[] =>
      getMetadataArgsStorage()
        .indices.filter((each) => each.target === target)
        .map(({ columns, unique }) => [columns, unique])
    expect(unique(User)).toEqual([[['email_domain'], false], [['email_index'], false]]) // prettier-ignore
    expect(unique(Member)).toEqual([[['email_index'], true], [['email_domain'], false]]) // prettier-ignore
  })

  test('takes and gives values as they are', () => {
    const { transformer } = column.options as { transformer: IndexColumn }
    for (const value of [Buffer.from('x'), null, undefined]) {
      expect(transformer.to(value)).toBe(value)
      expect(transformer.from(value)).toBe(value)
    }
  })

  test('is known by its transformer, which another copy of the package may have made', () => {
    const { transformer } = column.options as { transformer: IndexColumn }
    expect(IndexColumn.of(transformer)).toMatchObject({ property: 'email', index: 'index' })
    expect(INDEX in transformer).toBe(true)
    const other = { [INDEX]: true, property: 'email', index: 'domain' }
    expect(IndexColumn.of(other)).toBe(other)
    for (const transformer of [undefined, null, 'text', {}, [], () => undefined])
      expect(IndexColumn.of(transformer)).toBeUndefined()
  })

  test('of a subclass that declares the property anew is the subclass’s', async () => {
    const encryption = kmsEncryption({ keyId: 'alias/test', dataKeys: 'stored' })
    const dataSource = new DataSource(
      encryption.configure({ type: 'better-sqlite3', database: ':memory:', entities: [User, Member] }),
    )
    await dataSource.initialize()
    try {
      const names = (entity: object): string[] =>
        dataSource.getMetadata(entity as typeof User).columns.map(({ databaseName }) => databaseName)
      expect(names(User).toSorted()).toEqual(['email', 'email_domain', 'email_index', 'id'])
      expect(names(Member).toSorted()).toEqual(['id', 'mail', 'mail_domain', 'mail_index'])
    } finally {
      await dataSource.destroy()
      encryption.close()
    }
  })
})

describe('The columns of the blind indexes of a schema', () => {
  const schema = (columns: object, more: object = {}) =>
    new EntitySchema<Record<string, unknown>>({ name: 'User', columns: columns, ...more })
  const email = kmsEncryptedColumn({ type: 'string', search: [true, { name: 'domain', unique: true }] })

  test('are added to it, with an index of the database each', () => {
    const user = schema({ id: { type: Number, primary: true }, email, nothing: undefined })
    addSchemaIndexes([user])
    expect(Object.keys(user.options.columns)).toEqual([
      'id',
      'email',
      'nothing',
      'email_index',
      'email_domain',
    ])
    expect(user.options.columns.email_index).toMatchObject({ select: false, nullable: true })
    expect(user.options.columns.email_index).not.toHaveProperty('name')
    expect(user.options.indices).toEqual([
      { columns: ['email_index'], unique: false },
      { columns: ['email_domain'], unique: true },
    ])
  })

  test('are named after the column, also where its name was given later', () => {
    const named = kmsEncryptedColumn({ type: 'string', name: 'mail', search: true })
    const user = schema({
      email: named,
      other: { ...named, name: 'other_mail' },
      third: { ...email, name: 'x' },
    })
    addSchemaIndexes([user])
    const { email_index, other_index, third_index, third_domain } = user.options.columns
    expect([email_index, other_index, third_index, third_domain].map((each) => each?.name)).toEqual([
      'mail_index',
      'other_mail_index',
      'x_index',
      'x_domain',
    ])
  })

  test('are added once, and beside the indexes that are there', () => {
    const before = { columns: ['id'] }
    const user = schema({ id: { type: Number, primary: true }, email }, { indices: [before] })
    addSchemaIndexes([user])
    const { columns, indices } = structuredClone({
      columns: Object.keys(user.options.columns),
      indices: user.options.indices,
    })
    expect(indices).toHaveLength(3)
    addSchemaIndexes([user])
    expect(Object.keys(user.options.columns)).toEqual(columns)
    expect(user.options.indices).toEqual(indices)
  })

  test('leave one that the schema declares alone', () => {
    const own = { type: 'int' as const }
    const user = schema({ email, email_index: own })
    addSchemaIndexes([user])
    expect(user.options.columns.email_index).toBe(own)
    expect(user.options.indices).toEqual([{ columns: ['email_domain'], unique: true }])
  })

  test('are added to schemas that it embeds, and to those of an object of entities', () => {
    const embedded = schema({ email })
    const user = schema(
      { id: { type: Number, primary: true } },
      { embeddeds: { contact: { schema: embedded } } },
    )
    addSchemaIndexes({ user })
    expect(embedded.options.columns).toHaveProperty('email_index')
    expect(user.options.columns).not.toHaveProperty('email_index')
    expect(user.options).not.toHaveProperty('indices')
  })

  test.each<[what: string, entities: unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a pattern', 'dist/*.js'],
    [
      'classes, patterns, and what is no entity',
      [User, 'dist/*.js', undefined, null, {}, 5, { options: {} }],
    ],
    ['a schema that embeds what is no schema', [schema({}, { embeddeds: { a: { schema: {} }, b: { schema: undefined } } })]], // prettier-ignore
  ])('are none where entities are %s', (_, entities) => {
    expect(() => {
      addSchemaIndexes(entities)
    }).not.toThrow()
  })
})
