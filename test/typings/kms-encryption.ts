import { KMSClient } from '@aws-sdk/client-kms'
import {
  DataSource,
  type DataSourceOptions,
  type EntitySchema,
  type EntitySubscriberInterface,
} from 'typeorm'
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

class Address {
  street!: string
}

export class AnEntity {
  id!: number
  privateKey!: string
  recovery!: { codes: string[] } | null
  seed?: Buffer
  address!: Address
  protected hidden!: string
}

declare const AnEntitySchema: EntitySchema<AnEntity>
declare const stored: unknown

/** With a class or a schema, properties and values are checked, and what comes out has the type of the property. */
export async function typed(): Promise<unknown[]> {
  expectType<Buffer | string, Awaited<ReturnType<KmsEncryption['encrypt']>>>(true)
  const privateKey = await encryption.decrypt(AnEntity, 'privateKey', stored)
  expectType<string, typeof privateKey>(true)
  const recovery = await encryption.decrypt(AnEntitySchema, 'recovery', stored)
  expectType<{ codes: string[] } | null, typeof recovery>(true)
  const seed = await encryption.decrypt(AnEntity, 'seed', stored)
  expectType<Buffer | undefined, typeof seed>(true)
  const street = await encryption.decrypt(AnEntity, 'address.street', stored)
  expectType<string, typeof street>(true)
  // @ts-expect-error no such property
  await encryption.decrypt(AnEntity, 'publicKey', stored)
  // @ts-expect-error no such property of the schema's entity
  await encryption.decrypt(AnEntitySchema, 'publicKey', stored)
  const nowhere = await encryption.decrypt(AnEntity, 'address.city', stored)
  expectType<never, typeof nowhere>(true)
  return [
    privateKey,
    recovery,
    seed,
    street,
    nowhere,
    await encryption.encrypt(AnEntity, 'privateKey', 'a private key'),
    await encryption.encrypt(AnEntitySchema, 'recovery', { codes: [] }),
    await encryption.encrypt(AnEntity, 'address.street', 'Main Street'),
    // @ts-expect-error the property holds text
    await encryption.encrypt(AnEntity, 'privateKey', 1),
    // @ts-expect-error the property cannot be null
    await encryption.encrypt(AnEntity, 'privateKey', null),
    // @ts-expect-error no such property of the embedded entity
    await encryption.encrypt(AnEntity, 'address.city', 'Rome'),
    // @ts-expect-error which property?
    await encryption.encrypt(AnEntity, 'a private key'),
    // @ts-expect-error which property?
    await encryption.encrypt('AnEntity', 'a private key'),
  ]
}

/** With a name, nothing is known: that is how a protected property is named, and an entity without a class. */
export async function untyped(): Promise<unknown> {
  await encryption.encrypt('AnEntity', 'hidden', 'a secret')
  const anything = await encryption.decrypt('AnEntity', 'privateKey', stored)
  expectType<unknown, typeof anything>(true)
  return anything
}

export function useEncryption(): void {
  expectType<KmsEncryptionMetrics, ReturnType<KmsEncryption['metrics']>>(true)
  expectType<number, KmsEncryptionMetrics['kmsCalls']['GenerateDataKey']>(true)
  // @ts-expect-error metrics are to be read
  encryption.metrics().kmsCalls.Decrypt = 0
  const subscribers: (new () => EntitySubscriberInterface)[] = [encryption.subscriber]
  new DataSource({ type: 'better-sqlite3', database: ':memory:', subscribers })
  encryption.close()
}
