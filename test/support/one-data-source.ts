import { DataSource, type DataSourceOptions } from 'typeorm'
import { kmsEncryption, type KmsEncryption } from 'typeorm-kms-encrypted'
import { type TestDatabase } from './databases'
import { KEY, testKms } from './encryption'

interface OneDataSource {
  start: (entities: (new () => object)[]) => Promise<DataSource>
  encryption: () => KmsEncryption
}

/** For tests of what `initialize()` makes of entities: starts one DataSource after the other, and ends each with its test. */
export function oneDataSource(db: () => TestDatabase): OneDataSource {
  let encryption: KmsEncryption
  let started: DataSource | undefined

  beforeAll(async () => {
    const { client } = await testKms()
    encryption = kmsEncryption({ keyId: KEY, client })
  })
  afterEach(async () => {
    if (started?.isInitialized) await started.destroy()
  })
  afterAll(() => {
    encryption.close()
  })

  return {
    encryption: () => encryption,
    async start(entities) {
      const options = { ...db().options, entities, dropSchema: true, synchronize: true } as DataSourceOptions
      started = new DataSource(encryption.configure(options))
      return started.initialize()
    },
  }
}
