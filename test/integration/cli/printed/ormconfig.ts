import { KMSClient } from '@aws-sdk/client-kms'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { kmsEncryption } from 'typeorm-kms-encrypted'
import * as entities from './entities'

/** What the tool is pointed at; the test says in the environment where database and KMS are. */
const { options, endpoint, entity } = JSON.parse(process.env['PRINTED_TASK'] ?? '') as {
  options: DataSourceOptions
  endpoint: string
  entity: 'Safe' | 'Untyped'
}
const client = new KMSClient({
  endpoint,
  region: 'us-east-1',
  credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
})
const encryption = kmsEncryption({ keyId: 'alias/test', client, timeout: 120_000 })
export default new DataSource(encryption.configure({ ...options, entities: [entities[entity]] }))
