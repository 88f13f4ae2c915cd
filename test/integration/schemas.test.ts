import { randomBytes } from 'node:crypto'
import 'reflect-metadata'
import { DataSource, type DataSourceOptions, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { kmsEncryption, type KmsEncryptedOptions, KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { failure, KEY, testKms } from '../support/encryption'

function person(options: KmsEncryptedOptions, schema?: string): new () => object {
  class Person {}
  PrimaryGeneratedColumn()(Person.prototype, 'id')
  KmsEncrypted({ type: 'string', ...options })(Person.prototype, 'secret')
  Entity(schema === undefined ? { name: 'person' } : { name: 'person', schema })(Person)
  return Person
}

describeDatabases(
  'a schema per tenant',
  (db) => {
    let client: Awaited<ReturnType<typeof testKms>>['client']

    beforeAll(async () => {
      ;({ client } = await testKms())
      for (const schema of ['tenant1', 'tenant2']) await db().rawQuery(`CREATE SCHEMA ${schema}`)
    })

    async function inSchema<T>(
      schema: string | undefined,
      action: (dataSource: DataSource) => Promise<T>,
      options: KmsEncryptedOptions = {},
      ofEntity = false,
    ): Promise<T> {
      const own = schema === undefined || ofEntity ? {} : { schema }
      const entities = [person(options, ofEntity ? schema : undefined)]
      const encryption = kmsEncryption({ keyId: KEY, client })
      const merged = { ...db().options, ...own, entities, synchronize: true } as DataSourceOptions
      const dataSource = await new DataSource(encryption.configure(merged)).initialize()
      try {
        return await action(dataSource)
      } finally {
        await dataSource.destroy()
      }
    }

    const save = (dataSource: DataSource) => dataSource.getRepository('person').save({ secret: 'of Ada' })
    const find = (dataSource: DataSource) => dataSource.getRepository('person').find()

    it.each([
      ['the DataSource', false],
      ['the entity', true],
    ])('that %s names keeps values from opening in another', async (_, ofEntity) => {
      await inSchema('tenant1', save, {}, ofEntity)
      await inSchema('tenant2', () => Promise.resolve(), {}, ofEntity)
      await db().rawQuery('DELETE FROM tenant2.person')
      await db().rawQuery('INSERT INTO tenant2.person (secret) SELECT secret FROM tenant1.person LIMIT 1')
      expect(await failure(inSchema('tenant2', find, {}, ofEntity))).toMatchObject({
        code: 'CIPHERTEXT_WRONG_CONTEXT',
      })
      const read = await inSchema('tenant1', find, {}, ofEntity)
      expect(read[0]).toMatchObject({ secret: 'of Ada' })
    })

    it('reads values that were written under the bare name of the table, where that is declared', async () => {
      await inSchema(undefined, save)
      await inSchema('tenant2', () => Promise.resolve())
      await db().rawQuery('DELETE FROM tenant2.person')
      await db().rawQuery('INSERT INTO tenant2.person (secret) SELECT secret FROM public.person LIMIT 1')
      const previous = [{ boundTo: { table: 'person' } }]
      expect((await inSchema('tenant2', find, { previous }))[0]).toMatchObject({ secret: 'of Ada' })
      expect((await inSchema('public', find))[0]).toMatchObject({ secret: 'of Ada' })
    })
  },
  { databases: ['postgres'] },
)

describeDatabases(
  'a database per tenant',
  (db) => {
    const names = ['a', 'b'].map((name) => `tenant_${name}_${randomBytes(4).toString('hex')}`)

    beforeAll(async () => {
      for (const name of names) await db().rawQuery(`CREATE DATABASE ${name}`)
    })

    it('that the entity names keeps values from opening in another', async () => {
      const { client } = await testKms()
      const encryption = kmsEncryption({ keyId: KEY, client })
      const open = (database: string | undefined): Promise<DataSource> => {
        class Person {}
        PrimaryGeneratedColumn()(Person.prototype, 'id')
        KmsEncrypted({ type: 'string' })(Person.prototype, 'secret')
        Entity({ name: 'person', ...(database === undefined ? {} : { database }) })(Person)
        const options = { ...db().options, entities: [Person], synchronize: true } as DataSourceOptions
        return new DataSource(encryption.configure(options)).initialize()
      }
      const [one, other] = [await open(names[0]), await open(names[1])]
      try {
        await one.getRepository('person').save({ secret: 'of Ada' })
        await db().rawQuery(`INSERT INTO ${names[1]}.person (secret) SELECT secret FROM ${names[0]}.person`)
        expect(await one.getRepository('person').find()).toMatchObject([{ secret: 'of Ada' }])
        expect(await failure(other.getRepository('person').find())).toMatchObject({
          code: 'CIPHERTEXT_WRONG_CONTEXT',
        })
      } finally {
        await one.destroy()
        await other.destroy()
        encryption.close()
        for (const name of names) await db().rawQuery(`DROP DATABASE ${name}`)
      }
    })
  },
  { databases: ['mariadb'] },
)
