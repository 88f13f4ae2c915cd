import { KMSClient } from '@aws-sdk/client-kms'
import { DataSource, type DataSourceOptions, type EntitySubscriberInterface } from 'typeorm'
import { kmsEncryption, type KmsEncryption, type KmsEncryptionMetrics } from 'typeorm-kms-encrypted'
import { LocalKms } from 'typeorm-kms-encrypted/local-kms'
import { expectType } from './expect-type'

export const encryption: KmsEncryption = kmsEncryption({
  keyId: 'alias/my-app',
  client: new KMSClient({}),
  mode: 'direct',
  context: { application: 'my-app' },
  cache: { maxAge: 60_000, maxValues: 1_000, maxKeys: 10 },
  concurrency: 5,
  trustedKeys: ['111122223333'] as const,
})

/** Only columns that name their own keys. */
export const withoutKeyId = kmsEncryption({ client: new LocalKms().client() })

export const refused = (): KmsEncryption[] => [
  // @ts-expect-error the options say which key
  kmsEncryption(),
  // @ts-expect-error a key id is text
  kmsEncryption({ keyId: 1 }),
  // @ts-expect-error no such mode
  kmsEncryption({ keyId: 'alias/my-app', mode: 'deterministic' }),
  // @ts-expect-error the embedded KMS is not a client, it has one: kms.client()
  kmsEncryption({ keyId: 'alias/my-app', client: new LocalKms() }),
  // @ts-expect-error no such limit
  kmsEncryption({ keyId: 'alias/my-app', cache: { maxSize: 1 } }),
  // @ts-expect-error a misspelt option
  kmsEncryption({ keyId: 'alias/my-app', trustedKey: ['111122223333'] }),
]

/** `configure()` gives back the options as they were, so that a `DataSource` takes them. */
export const dataSources = [
  new DataSource(
    encryption.configure({
      type: 'mysql',
      url: 'mysql://localhost/app',
      charset: 'utf8mb4',
      entities: [],
      synchronize: false,
    }),
  ),
  new DataSource(encryption.configure({ type: 'mariadb', host: 'localhost', database: 'app' })),
  new DataSource(encryption.configure({ type: 'postgres', host: 'localhost', applicationName: 'app' })),
  new DataSource(encryption.configure({ type: 'better-sqlite3', database: ':memory:' })),
  new DataSource(encryption.configure(optionsFromElsewhere())),
]

export const configured = encryption.configure({ type: 'better-sqlite3', database: 'app.sqlite', retries: 3 })
expectType<'better-sqlite3', typeof configured.type>(true)
expectType<string, typeof configured.database>(true)
// NestJS adds options of its own to those of TypeORM.
expectType<number, typeof configured.retries>(true)

declare function optionsFromElsewhere(): DataSourceOptions

export const refusedOptions = (): unknown[] => [
  // @ts-expect-error a DataSource has a type
  encryption.configure({ database: 'app.sqlite' }),
  // @ts-expect-error TypeORM knows no such database
  encryption.configure({ type: 'dbase', database: 'app' }),
  // @ts-expect-error what TypeORM would refuse
  encryption.configure({ type: 'better-sqlite3', database: 1 }),
]

export class AnEntity {
  id!: number
}

export async function useEncryption(): Promise<void> {
  expectType<Buffer | string, Awaited<ReturnType<KmsEncryption['encrypt']>>>(true)
  expectType<unknown, Awaited<ReturnType<KmsEncryption['decrypt']>>>(true)
  expectType<KmsEncryptionMetrics, ReturnType<KmsEncryption['metrics']>>(true)
  expectType<number, KmsEncryptionMetrics['kmsCalls']['GenerateDataKey']>(true)
  const stored = await encryption.encrypt(AnEntity, 'privateKey', 'a private key')
  await encryption.decrypt('AnEntity', 'privateKey', stored)
  // @ts-expect-error which property?
  await encryption.encrypt(AnEntity, 'a private key')
  // @ts-expect-error metrics are to be read
  encryption.metrics().kmsCalls.Decrypt = 0
  const subscribers: (new () => EntitySubscriberInterface)[] = [encryption.subscriber]
  new DataSource({ type: 'better-sqlite3', database: ':memory:', subscribers })
  encryption.close()
}
