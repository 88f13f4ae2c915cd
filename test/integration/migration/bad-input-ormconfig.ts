import 'reflect-metadata'
import { KMSClient } from '@aws-sdk/client-kms'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { kmsEncryption } from 'typeorm-kms-encrypted'
import { BAD_INPUT_ENTITIES } from './bad-input-entities'

/** What the tool is pointed at; the test says in the environment where database and KMS are. */
const { options, endpoint } = JSON.parse(process.env['CLI_TASK'] ?? '') as {
  options: DataSourceOptions
  endpoint: string
}
const client = new KMSClient({
  endpoint,
  region: 'us-east-1',
  credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
  maxAttempts: 1,
})
const encryption = kmsEncryption({ keyId: 'alias/test', client, timeout: 120_000 })
export default new DataSource(encryption.configure({ ...options, entities: BAD_INPUT_ENTITIES }))
