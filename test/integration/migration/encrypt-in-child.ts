/** Encrypts the accounts of a database, in a process that may be killed at any moment. */
import { KMSClient } from '@aws-sdk/client-kms'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { kmsEncryption } from 'typeorm-kms-encrypted'
import { encryptColumns } from 'typeorm-kms-encrypted/migration'
import { Account } from './account'
import { ForeignAccount } from './foreign-account'
import { dieWithin } from './sudden-death'

async function main(): Promise<void> {
  const { options, endpoint, maxRate, killAfter, columns } = JSON.parse(process.env['CHILD_TASK'] ?? '') as {
    options: DataSourceOptions
    endpoint: string
    maxRate: number
    killAfter?: number
    columns: readonly string[]
  }
  const client = new KMSClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
  })
  const encryption = kmsEncryption({ keyId: 'alias/test', client, timeout: 120_000 })
  const entity = columns.includes('secret') ? Account : ForeignAccount
  const dataSource = await new DataSource(
    encryption.configure({ ...options, entities: [entity] }),
  ).initialize()
  await encryptColumns(dataSource, entity, columns, {
    batchSize: 25,
    maxRate,
    onProgress: (progress) => {
      if (killAfter !== undefined) dieWithin(killAfter, progress)
    },
  })
  await dataSource.destroy()
  encryption.close()
}

void main()
