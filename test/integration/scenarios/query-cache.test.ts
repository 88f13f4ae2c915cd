import 'reflect-metadata'
import { inspect } from 'node:util'
import {
  AfterLoad,
  ChildEntity,
  Column,
  DataSource,
  type DataSourceOptions,
  Entity,
  ManyToOne,
  PrimaryGeneratedColumn,
  TableInheritance,
} from 'typeorm'
import { kmsEncryption, KmsEncrypted } from 'typeorm-kms-encrypted'
import { describeDatabases } from '../../support/databases'
import { dump } from '../../support/dump'
import { KEY, startApplication, testKms } from '../../support/encryption'
import { formsOfMarker, newMarker } from '../../support/markers'
import { storedValues } from './support'

/** What listeners saw of the entities that were loaded. */
let loaded: string[] = []

abstract class Base {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar', default: 'clear' }) clear!: string

  @AfterLoad() look() {
    loaded.push(inspect(this))
  }
}

@Entity()
class EnvelopeSecret extends Base {
  @KmsEncrypted() binary!: string
  @KmsEncrypted({ storage: 'text' }) text!: string
  @KmsEncrypted() bytes!: Buffer
  @KmsEncrypted({ storage: 'text' }) json!: { marker: string }
}

@Entity()
class DirectSecret extends Base {
  @KmsEncrypted({ mode: 'direct' }) binary!: string
  @KmsEncrypted({ mode: 'direct', storage: 'text' }) text!: string
  @KmsEncrypted({ mode: 'direct' }) bytes!: Buffer
  @KmsEncrypted({ mode: 'direct', storage: 'text' }) json!: { marker: string }
}

@Entity()
@TableInheritance({ column: { type: 'varchar', name: 'kind' } })
class Vehicle {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() plate!: string
}

@ChildEntity()
class Lorry extends Vehicle {
  @KmsEncrypted({ mode: 'direct' }) cargo!: string
  @ManyToOne('Vehicle', { nullable: true }) trailer!: Vehicle | null
}

type CacheOptions = DataSourceOptions['cache']

describeDatabases('the query result cache', (db) => {
  describe.each([
    ['envelope', EnvelopeSecret],
    ['direct', DirectSecret],
  ] as const)('in %s mode', (_, Secret) => {
    it('holds ciphertext only, and gives plaintext to a process without data keys', async () => {
      const application = await startApplication(db(), [Secret], {}, { cache: true })
      const marker = newMarker()
      const values = { binary: marker, text: marker, bytes: Buffer.from(marker), json: { marker } }
      await application.dataSource.getRepository(Secret).save({ ...values })
      const cached = { cache: { id: 'secrets', milliseconds: 60_000 } }

      const found = await application.dataSource.getRepository(Secret).find(cached)
      expect(found).toEqual([{ id: 1, clear: 'clear', ...values }])
      expect(formsOfMarker(await dump(db()), marker)).toEqual([])

      // With the row gone, what is found comes from the cache.
      await application.dataSource.getRepository(Secret).clear()
      await expect(application.dataSource.getRepository(Secret).find(cached)).resolves.toEqual(found)
      const { dataSource } = await application.restart()
      loaded = []
      const cold = await dataSource.getRepository(Secret).find(cached)
      expect(cold).toEqual(found)
      expect(loaded).toEqual(found.map((secret) => inspect(secret)))
      expect(Buffer.isBuffer(cold[0]!.bytes)).toBe(true)
      await dataSource.queryResultCache?.remove(['secrets'])
      await expect(dataSource.getRepository(Secret).find(cached)).resolves.toEqual([])
      await application.stop()
    })
  })

  it('gives plaintext of children and relations through the parent, with no data key at hand', async () => {
    const application = await startApplication(db(), [Vehicle, Lorry], {}, { cache: true })
    const trailer = await application.dataSource.getRepository(Vehicle).save({ plate: 'T' })
    await application.dataSource.getRepository(Lorry).save({ plate: 'L', cargo: 'gold', trailer })
    const read = (dataSource: DataSource) =>
      dataSource
        .createQueryBuilder(Vehicle, 'v')
        .leftJoinAndMapOne('v.trailer', Vehicle, 't', 't.id = v.trailerId')
        .orderBy('v.id', 'DESC')
        .cache(60_000)
        .getMany()
    const found = await read(application.dataSource)
    expect(found[0]).toMatchObject({ plate: 'L', cargo: 'gold', trailer: { plate: 'T' } })
    await application.dataSource.getRepository(Lorry).clear()
    const { dataSource } = await application.restart()
    await expect(read(dataSource)).resolves.toEqual(found)
    await application.stop()
  })

  /** An application with these cache options, one row in it, and what tells whether a read came from the cache. */
  async function start(cache: CacheOptions) {
    const { client } = await testKms()
    const encryption = kmsEncryption({ keyId: KEY, client })
    const options = {
      ...db().options,
      entities: [EnvelopeSecret],
      synchronize: true,
      dropSchema: true,
      ...(cache === undefined ? {} : { cache }),
    } as DataSourceOptions
    const dataSource = await new DataSource(encryption.configure(options)).initialize()
    const secrets = dataSource.getRepository(EnvelopeSecret)
    const values = { binary: 'a', text: 'b', bytes: Buffer.from('c'), json: { marker: 'd' } }
    await secrets.save({ ...values })
    const stop = async () => {
      await dataSource.destroy()
      encryption.close()
    }
    /** Whether a second read is answered by the cache: the row changes in between. */
    const answers = async (cache?: boolean | number): Promise<boolean> => {
      const read = () => secrets.find(cache === undefined ? {} : { cache })
      await db().rawQuery(`UPDATE ${db().quote('envelope_secret')} SET clear = 'before'`)
      await read()
      await db().rawQuery(`UPDATE ${db().quote('envelope_secret')} SET clear = 'after'`)
      const [found] = await read()
      expect(found).toMatchObject(values)
      return found!.clear === 'before'
    }
    const table = (name: string) =>
      db().rawQuery(`SELECT * FROM ${db().quote(name)}`) as Promise<{ duration: unknown }[]>
    return { dataSource, answers, table, stop }
  }

  it.each([
    ['not given', undefined],
    ['false', false],
  ])('is absent where the option is %s', async (_, cache) => {
    const { dataSource, answers, stop } = await start(cache)
    expect(dataSource.queryResultCache).toBeUndefined()
    await expect(answers(true)).resolves.toBe(false)
    await stop()
  })

  it.each<[string, CacheOptions, number]>([
    ['true', true, 1_000],
    ['a duration', { duration: 30_000 }, 30_000],
    ["{ type: 'database' }", { type: 'database' }, 1_000],
  ])('works with %s', async (_, cache, duration) => {
    const { answers, table, stop } = await start(cache)
    await expect(answers(true)).resolves.toBe(true)
    const [row] = await table('query-result-cache')
    expect(Number(row!.duration)).toBe(duration)
    await expect(answers()).resolves.toBe(false)
    await stop()
  })

  it('works with alwaysEnabled and a table name', async () => {
    const { answers, table, stop } = await start({
      type: 'database',
      tableName: 'my_cache',
      alwaysEnabled: true,
    })
    await expect(answers()).resolves.toBe(true)
    await expect(answers(false)).resolves.toBe(false)
    await expect(table('my_cache')).resolves.not.toHaveLength(0)
    await stop()
  })

  it("works with the application's own provider, which sees ciphertext only", async () => {
    const provider = new MemoryCache()
    const { dataSource, answers, stop } = await start({ provider: () => provider })
    expect(dataSource.queryResultCache).toBe(provider)
    expect(provider.connected).toBe(true)
    await expect(answers(60_000)).resolves.toBe(true)
    const [result] = [...provider.results.values()].map(
      ({ result }) => JSON.parse(result as string) as Record<string, unknown>[],
    )
    expect(result![0]).toMatchObject({ EnvelopeSecret_text: expect.stringMatching(/^wQEB/) as string })
    await stop()
    expect(provider.connected).toBe(false)
  })

  it('leaves the option as it was given, besides the provider', () => {
    const encryption = kmsEncryption({ keyId: KEY })
    const cache = { type: 'database' as const, duration: 5, tableName: 'x', ignoreErrors: true }
    const { cache: configured, ...rest } = encryption.configure({ ...db().options, cache })
    expect(configured).toMatchObject(cache)
    expect(rest).toEqual(db().options)
    encryption.close()
  })

  it('is not in the way of getRawMany, which gives what is stored', async () => {
    const { dataSource, stop } = await start(true)
    const query = () =>
      dataSource
        .createQueryBuilder(EnvelopeSecret, 's')
        .cache('raw', 60_000)
        .getRawMany<Record<string, unknown>>()
    const [first] = await query()
    const [again] = await query()
    expect(again!['s_text']).toBe(first!['s_text'])
    await expect(storedValues(db(), 'envelope_secret', 'text')).resolves.toEqual([again!['s_text']])
    await stop()
  })
})

/** The interface of TypeORM's own caches, in memory. */
class MemoryCache {
  readonly results = new Map<string, { time?: number; duration: number; result?: unknown }>()
  connected = false

  connect(): Promise<void> {
    this.connected = true
    return Promise.resolve()
  }

  disconnect(): Promise<void> {
    this.connected = false
    return Promise.resolve()
  }

  synchronize(): Promise<void> {
    return Promise.resolve()
  }

  getFromCache({ query }: { query?: string }) {
    return Promise.resolve(this.results.get(query!))
  }

  storeInCache(options: { query?: string; time?: number; duration: number; result?: unknown }) {
    this.results.set(options.query!, options)
    return Promise.resolve()
  }

  isExpired({ time, duration }: { time?: number; duration: number }): boolean {
    return time! + duration < Date.now()
  }

  clear(): Promise<void> {
    this.results.clear()
    return Promise.resolve()
  }

  remove(): Promise<void> {
    return Promise.resolve()
  }
}
