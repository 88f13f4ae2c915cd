import {
  CreateAliasCommand,
  CreateKeyCommand,
  type CreateKeyCommandInput,
  GenerateDataKeyWithoutPlaintextCommand,
  type KMSClient,
} from '@aws-sdk/client-kms'
import { DataSource, type DataSourceOptions, type EntityTarget, type ObjectLiteral } from 'typeorm'
import { kmsEncryption, type KmsEncryption, type KmsEncryptionOptions } from 'typeorm-kms-encrypted'
import { LocalKms, type LocalKmsOptions } from 'typeorm-kms-encrypted/local-kms'
import { type TestDatabase } from './databases'

/** Milliseconds: no machine is so busy that KMS takes as long. */
const PATIENT = 120_000

/** The alias under which `testKms()` makes its first key. */
export const KEY = 'alias/test'

export interface TestKms {
  kms: LocalKms
  client: KMSClient
  /** Makes another key and returns its ARN. */
  createKey(input?: CreateKeyCommandInput): Promise<string>
}

/** An embedded KMS with one key, `alias/test`. The SDK does not repeat calls, so that tests of failures are quick. */
export async function testKms(options: LocalKmsOptions = {}): Promise<TestKms> {
  const kms = new LocalKms({ quiet: true, ...options })
  const client = kms.client({ maxAttempts: 1 })
  const createKey = async (input: CreateKeyCommandInput = {}): Promise<string> => {
    const { KeyMetadata } = await client.send(new CreateKeyCommand(input))
    return KeyMetadata!.Arn!
  }
  await client.send(
    new CreateAliasCommand({ AliasName: KEY, TargetKeyId: (await createKey()).split('/')[1] }),
  )
  return { kms, client, createKey }
}

/** Options for an application that searches: an index key, made as the tool makes it. */
export async function withIndexKey(
  { client }: Pick<TestKms, 'client'>,
  keyId = KEY,
): Promise<{ indexKey: string }> {
  const { CiphertextBlob } = await client.send(
    new GenerateDataKeyWithoutPlaintextCommand({
      KeyId: keyId,
      NumberOfBytes: 32,
      EncryptionContext: { 'data-key': 'index' },
    }),
  )
  return { indexKey: Buffer.from(CiphertextBlob!).toString('base64') }
}

export interface TestApplication extends TestKms {
  encryption: KmsEncryption
  dataSource: DataSource
  /** The same database in what is like a fresh process: no data key in memory. */
  restart(
    options?: Partial<KmsEncryptionOptions>,
    dataSourceOptions?: Partial<DataSourceOptions>,
  ): Promise<{ encryption: KmsEncryption; dataSource: DataSource }>
  /** Ends all that was started, and empties the tables. */
  stop(): Promise<void>
}

/** An application with the entities on the database, its tables made anew. */
export async function startApplication(
  database: TestDatabase,
  entities: EntityTarget<ObjectLiteral>[],
  given: Partial<KmsEncryptionOptions> | ((test: TestKms) => Promise<Partial<KmsEncryptionOptions>>) = {},
  dataSourceOptions: Partial<DataSourceOptions> = {},
  kmsOptions: LocalKmsOptions = {},
): Promise<TestApplication> {
  const test = await testKms(kmsOptions)
  const options = typeof given === 'function' ? await given(test) : given
  const started: { encryption: KmsEncryption; dataSource: DataSource }[] = []
  const connect = async (schema: Partial<DataSourceOptions>, changed: Partial<KmsEncryptionOptions> = {}) => {
    const encryption = kmsEncryption({
      keyId: KEY,
      client: test.client,
      timeout: PATIENT,
      ...options,
      ...changed,
    })
    const merged = { ...database.options, entities, ...dataSourceOptions, ...schema } as DataSourceOptions
    const dataSource = await new DataSource(encryption.configure(merged)).initialize()
    started.push({ encryption, dataSource })
    return { encryption, dataSource }
  }
  const first = await connect({ synchronize: true, dropSchema: true })
  return {
    ...test,
    ...first,
    restart: (changed, schema = {}) => connect(schema, changed),
    async stop() {
      for (const { encryption, dataSource } of started) {
        if (dataSource.isInitialized) await dataSource.destroy()
        encryption.close()
      }
    },
  }
}

/** The error of a promise that must fail. */
export async function failure(
  promise: Promise<unknown>,
): Promise<Error & { code?: string; entity?: string; property?: string }> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('This was expected to fail, and did not')
}
