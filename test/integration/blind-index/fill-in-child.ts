/** Fills the blind index of a table, in a process that may be killed at any moment. */
import { KMSClient } from '@aws-sdk/client-kms'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { kmsEncryption } from 'typeorm-kms-encrypted'
import { encryptColumns } from 'typeorm-kms-encrypted/migration'
import { dieWithin } from '../migration/sudden-death'
import { Filled } from './filled'

async function main(): Promise<void> {
  const { options, endpoint, indexKey, killAfter } = JSON.parse(process.env['CHILD_TASK'] ?? '') as {
    options: DataSourceOptions
    endpoint: string
    indexKey: string
    killAfter?: number
  }
  const credentials = { accessKeyId: 'x', secretAccessKey: 'x' }
  const client = new KMSClient({ endpoint, region: 'us-east-1', credentials })
  const encryption = kmsEncryption({ keyId: 'alias/test', client, timeout: 120_000, indexKey })
  const configured = encryption.configure({ ...options, entities: [Filled] })
  const dataSource = await new DataSource(configured).initialize()
  await encryptColumns(dataSource, Filled, ['email'], {
    batchSize: killAfter === undefined ? 500 : 50,
    ...(killAfter === undefined ? {} : { maxRate: 5_000 }),
    onProgress: (progress) => {
      if (killAfter !== undefined) dieWithin(killAfter, progress)
    },
  })
  await dataSource.destroy()
  encryption.close()
}

void main()
