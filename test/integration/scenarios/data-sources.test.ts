import 'reflect-metadata'
import {
  Column,
  DataSource,
  type DataSourceOptions,
  Entity,
  EntitySchema,
  type EntitySubscriberInterface,
  PrimaryGeneratedColumn,
} from 'typeorm'
import { kmsEncryptedColumn, kmsEncryption, KmsEncrypted, type KmsEncryption } from 'typeorm-kms-encrypted'
import { createDatabase, describeDatabases, type TestDatabase } from '../../support/databases'
import { KEY, testKms, type TestKms } from '../../support/encryption'
import { databaseNames, selectedDatabases } from '../../support/selection'
import { isCiphertext, storedValues } from './support'

@Entity()
class Shared {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar', default: 'clear' }) clear!: string
  @KmsEncrypted({ maxLength: 40 }) secret!: string
  @KmsEncrypted({ nullable: true, mode: 'direct', storage: 'text' }) note?: string
}

interface Described {
  id: number
  secret: string
  data: { x: number } | null
}

const DescribedSchema = new EntitySchema<Described>({
  name: 'Described',
  columns: {
    id: { type: Number, primary: true, generated: true },
    secret: kmsEncryptedColumn({ type: 'string', name: 'the_secret' }),
    data: kmsEncryptedColumn({ type: 'json', nullable: true, mode: 'direct' }),
  },
})

const entities = [Shared, DescribedSchema]

describeDatabases('a DataSource with encrypted columns', (db) => {
  let test: TestKms
  let encryption: KmsEncryption
  const opened: DataSource[] = []

  beforeAll(async () => {
    test = await testKms()
    encryption = kmsEncryption({ keyId: KEY, client: test.client })
  })

  afterEach(async () => {
    for (const dataSource of opened.splice(0)) if (dataSource.isInitialized) await dataSource.destroy()
  })

  afterAll(() => {
    encryption.close()
  })

  function make(options: DataSourceOptions): DataSource {
    const dataSource = new DataSource(options)
    opened.push(dataSource)
    return dataSource
  }

  const base = (): DataSourceOptions => ({ ...db().options, entities, synchronize: true, dropSchema: true })

  async function expectEncryption(dataSource: DataSource, database = db()): Promise<void> {
    const shared = dataSource.getRepository(Shared)
    const saved = await shared.save({ secret: 'a secret', note: 'a note' })
    await shared.save(saved)
    await storedValues(database, 'shared', 'secret', 'note')
    await expect(shared.findOneByOrFail({ id: saved.id })).resolves.toEqual(saved)
    const [row] = await shared.createQueryBuilder('s').getRawMany<Record<string, unknown>>()
    expect(isCiphertext(row!['s_secret'])).toBe(true)
  }

  it('takes entity schemas', async () => {
    const dataSource = await make(encryption.configure(base())).initialize()
    const described = dataSource.getRepository(DescribedSchema)
    const saved = await described.save({ secret: 'schema', data: { x: 1 } })
    await storedValues(db(), 'described', 'the_secret', 'data')
    await expect(described.find()).resolves.toEqual([saved])
    await expect(encryption.encrypt(DescribedSchema, 'data', { x: 2 })).resolves.toBeInstanceOf(Buffer)
  })

  it('encrypts after setOptions({ subscribers: [] }), as the TypeORM CLI calls it', async () => {
    const dataSource = make(encryption.configure({ ...base(), subscribers: [] }))
    dataSource.setOptions({
      subscribers: [],
      synchronize: false,
      migrationsRun: false,
      dropSchema: false,
      logging: ['error'],
    })
    await dataSource.initialize()
    await dataSource.synchronize(true)
    await expectEncryption(dataSource)
  })

  it('encrypts after it was destroyed and initialised again', async () => {
    const dataSource = make(encryption.configure(base()))
    for (let round = 0; round < 3; round++) {
      await dataSource.initialize()
      expect(dataSource.subscribers).toHaveLength(1)
      await expectEncryption(dataSource)
      await dataSource.destroy()
    }
  })

  it('encrypts where the configured options are spread and entities are added', async () => {
    const configured = encryption.configure({ ...db().options, synchronize: true, dropSchema: true })
    await expectEncryption(await make({ ...configured, entities }).initialize())
  })

  it('encrypts where one set of options makes two DataSources', async () => {
    const options = encryption.configure(base())
    await make(options).initialize()
    const second = await make({ ...options, dropSchema: false }).initialize()
    await expectEncryption(second)
    await expectEncryption(opened[0]!)
  })

  it('encrypts once where options were configured twice', async () => {
    const dataSource = await make(encryption.configure(encryption.configure(base()))).initialize()
    await expectEncryption(dataSource)
    expect(dataSource.subscribers).toHaveLength(1)
  })

  it('keeps to the context that it was given, whatever becomes of the object later', async () => {
    const context: Record<string, string> = { app: 'one' }
    const own = kmsEncryption({ keyId: KEY, client: test.client, context })
    try {
      const dataSource = await make(own.configure(base())).initialize()
      context['app'] = 'another'
      const { id } = await dataSource.getRepository(Shared).save({ secret: 'a secret', note: 'a note' })
      const later = kmsEncryption({ keyId: KEY, client: test.client, context: { app: 'one' } })
      const fresh = await make(later.configure({ ...base(), dropSchema: false })).initialize()
      await expect(fresh.getRepository(Shared).findOneByOrFail({ id })).resolves.toMatchObject({
        secret: 'a secret',
        note: 'a note',
      })
      later.close()
    } finally {
      own.close()
    }
  })

  it('encrypts with subscribers that are added later', async () => {
    const dataSource = await make(encryption.configure(base())).initialize()
    const inserted: unknown[] = []
    const subscriber: EntitySubscriberInterface<Shared> = {
      listenTo: () => Shared,
      beforeInsert: ({ entity }) => {
        inserted.push(entity.secret)
      },
    }
    dataSource.subscribers.push(subscriber)
    await expectEncryption(dataSource)
    expect(inserted).toEqual(['a secret'])
  })

  it('encrypts with replication', async () => {
    const { options } = db()
    if (options.type !== 'mysql' && options.type !== 'postgres') return
    const { type, host, port, username, password, database } = options
    const server = { host, port, username, password, database } as Record<string, unknown>
    const replicated = { ...base(), type, replication: { master: server, slaves: [server] } }
    await expectEncryption(await make(encryption.configure(replicated as DataSourceOptions)).initialize())
  })

  describe('beside another one, of another type and with another KMS key', () => {
    let other: TestDatabase

    beforeAll(async () => {
      const name = databaseNames.find((each) => each !== db().name && selectedDatabases().includes(each))
      other = await createDatabase(name ?? db().name)
    })

    afterAll(() => other.drop())

    it('keeps keys, types and values of a shared entity class apart', async () => {
      const keyId = await test.createKey()
      const otherEncryption = kmsEncryption({ keyId, client: test.client })
      const otherBase: DataSourceOptions = {
        ...other.options,
        entities,
        synchronize: true,
        dropSchema: true,
      }
      const [first, second] = await Promise.all([
        make(encryption.configure(base())).initialize(),
        make(otherEncryption.configure(otherBase)).initialize(),
      ])
      const values = { secret: 'the same', note: 'everywhere' }
      const [a, b] = await Promise.all(
        [first, second].map((dataSource) => dataSource.getRepository(Shared).save({ ...values })),
      )
      await Promise.all([expectEncryption(first), expectEncryption(second, other)])
      const found = await Promise.all([
        first.getRepository(Shared).findOneByOrFail({ id: a!.id }),
        second.getRepository(Shared).findOneByOrFail({ id: b!.id }),
      ])
      expect(found).toEqual([a, b])
      const [mine] = (await storedValues(db(), 'shared', 'secret')) as Buffer[]
      const [theirs] = (await storedValues(other, 'shared', 'secret')) as Buffer[]
      // The tag of the KMS key.
      expect(mine!.subarray(3, 7)).not.toEqual(theirs!.subarray(3, 7))
      // An entity of one DataSource saved in the other is encrypted for that.
      const { secret, note } = found[0]
      await second.getRepository(Shared).save({ secret, note })
      await storedValues(other, 'shared', 'secret', 'note')
      await expect(second.getRepository(Shared).find()).resolves.toMatchObject([values, {}, values])
      otherEncryption.close()
    })
  })
})
