import { KMSClient } from '@aws-sdk/client-kms'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { kmsEncryption } from 'typeorm-kms-encrypted'
import { Account, ApiSecret } from './entities'

/** What the tool is pointed at; the test says in the environment where the database is, and the SDK's own where KMS is. */
const options = JSON.parse(process.env['TERMINAL_DATABASE'] ?? '') as DataSourceOptions
const encryption = kmsEncryption({ keyId: 'alias/test', client: new KMSClient(), timeout: 120_000 })
export default new DataSource(encryption.configure({ ...options, entities: [Account, ApiSecret] }))
