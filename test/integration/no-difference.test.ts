import 'reflect-metadata'
import { inspect } from 'node:util'
import { Column, DataSource, type DataSourceOptions, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { kmsEncryption, type KmsEncryption, KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../support/databases'
import { KEY, startApplication, testKms } from '../support/encryption'
import { formsOfMarker, newMarker } from '../support/markers'

@Entity('plain')
class Plain {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar' }) label!: string
}

@Entity('holder')
class Holder {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() secret!: string
}

/** What an object has of its own, by name and kind. */
function own(object: object): string[] {
  return Object.entries(Object.getOwnPropertyDescriptors(object))
    .map(([name, { value, enumerable }]) => `${name}: ${typeof value}, ${String(enumerable)}`)
    .sort()
}

describeDatabases('A DataSource that is configured', (db) => {
  let encryption: KmsEncryption
  let client: Awaited<ReturnType<typeof testKms>>['client']
  const started: DataSource[] = []

  beforeAll(async () => {
    ;({ client } = await testKms())
    encryption = kmsEncryption({ keyId: KEY, client })
  })
  afterEach(async () => {
    for (const dataSource of started.splice(0)) if (dataSource.isInitialized) await dataSource.destroy()
  })
  afterAll(() => {
    encryption.close()
  })

  const start = async (options: DataSourceOptions): Promise<DataSource> => {
    const dataSource = new DataSource(options)
    started.push(dataSource)
    return dataSource.initialize()
  }

  it.each([undefined, false, true, { type: 'database', duration: 500 }] as DataSourceOptions['cache'][])(
    'without encrypted columns is as if it were not, cache: %p',
    async (cache) => {
      const options = {
        ...db().options,
        entities: [Plain],
        synchronize: true,
        ...(cache === undefined ? {} : { cache }),
      } as DataSourceOptions
      const plain = await start({ ...options })
      const configured = await start(encryption.configure(options))
      expect(configured.options).toEqual(plain.options)
      expect(own(configured)).toEqual(own(plain))
      expect(own(configured.driver).filter((name) => !name.startsWith('connect:'))).toEqual(own(plain.driver))
      expect(Object.keys(configured.driver)).toEqual(Object.keys(plain.driver))
      expect(configured.subscribers).toEqual(plain.subscribers)
      expect(typeof configured.queryResultCache).toBe(typeof plain.queryResultCache)
      const runners = [configured.createQueryRunner(), plain.createQueryRunner()] as const
      expect(own(runners[0])).toEqual(own(runners[1]))
      for (const runner of runners) await runner.release()
      await configured.getRepository(Plain).save({ label: 'a' })
      expect(await configured.getRepository(Plain).findOneBy({ label: 'a' })).toMatchObject({ label: 'a' })
    },
  )

  it('encrypts when it is initialised again with an entity that has encrypted columns', async () => {
    const options = { ...db().options, entities: [Plain], synchronize: true } as DataSourceOptions
    const dataSource = await start(encryption.configure(options))
    await dataSource.destroy()
    dataSource.setOptions({ entities: [Plain, Holder] })
    await dataSource.initialize()
    await dataSource.getRepository(Holder).save({ secret: 'of Ada' })
    const [row] = await db().rawQuery(`SELECT ${db().quote('secret')} AS v FROM ${db().quote('holder')}`)
    expect(Buffer.from(row?.['v'] as Buffer).subarray(0, 2)).toEqual(Buffer.from([0xc1, 1]))
    expect(await dataSource.getRepository(Holder).find()).toMatchObject([{ secret: 'of Ada' }])
  })

  it('encrypts and decrypts through a driver that the application has put in place of its own', async () => {
    const app = await startApplication(db(), [Holder], { client })
    try {
      const { dataSource } = app
      const { driver } = dataSource
      const wrapped = Object.create(driver) as typeof driver
      const other = new DataSource({ ...db().options, entities: [] })
      started.push(other)
      await other.initialize()
      for (const replacement of [new Proxy(driver, {}), wrapped, other.driver]) {
        Object.assign(dataSource, { driver: replacement })
        const { id } = await dataSource.getRepository(Holder).save({ secret: 'of Ada' })
        expect(await dataSource.getRepository(Holder).findOneByOrFail({ id })).toEqual({
          id,
          secret: 'of Ada',
        })
        await dataSource.getRepository(Holder).update(id, { secret: 'of Eve' })
        expect(await dataSource.getRepository(Holder).findOneByOrFail({ id })).toEqual({
          id,
          secret: 'of Eve',
        })
      }
      const rows = await db().rawQuery(`SELECT ${db().quote('secret')} AS v FROM ${db().quote('holder')}`)
      for (const { v } of rows)
        expect(Buffer.from(v as Buffer).subarray(0, 2)).toEqual(Buffer.from([0xc1, 1]))
      Object.assign(dataSource, { driver })
    } finally {
      await app.stop()
    }
  })

  it('shows no value and no key, however it is printed', async () => {
    const app = await startApplication(db(), [Holder, Plain], { client })
    try {
      const { dataSource } = app
      const secret = newMarker()
      const holder = await dataSource.getRepository(Holder).save({ secret })
      await dataSource.getRepository(Holder).save(Object.assign(holder, { secret: `${secret}!` }))
      holder.secret = ''
      await dataSource.getRepository(Holder).find()
      const metadata = dataSource.getMetadata(Holder)
      for (const object of [
        dataSource,
        dataSource.options,
        dataSource.driver,
        metadata,
        metadata.columns,
        app.encryption,
        encryption.configure({ ...db().options, entities: [Holder] }),
        dataSource.createQueryRunner(),
      ]) {
        for (const settings of [
          { depth: null },
          { depth: 12, showHidden: true },
          { depth: 8, showHidden: true, getters: true, showProxy: true },
        ]) {
          expect(formsOfMarker(inspect(object, settings), secret)).toEqual([])
        }
        expect(formsOfMarker(jsonOf(object), secret)).toEqual([])
      }
    } finally {
      await app.stop()
    }
  })
})

/** JSON that leaves circles out, as loggers make it. */
function jsonOf(object: unknown): string {
  const seen = new WeakSet<object>()
  const json: unknown = JSON.stringify(object, (_, value: unknown) => {
    if (typeof value === 'bigint') return String(value)
    if (typeof value !== 'object' || value === null) return value
    if (seen.has(value)) return undefined
    seen.add(value)
    return value
  })
  return String(json)
}
