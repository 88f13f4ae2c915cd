/** Brings the letters of a database to stored data keys or back, in a process that may be killed at any moment. */
import { KMSClient } from '@aws-sdk/client-kms'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { kmsEncryption } from 'typeorm-kms-encrypted'
import { rotateColumns } from 'typeorm-kms-encrypted/migration'
import { Letter } from './letter'

export interface RotateTask {
  options: DataSourceOptions
  endpoint: string
  dataKeys: 'inline' | 'stored'
  maxRate: number
}

async function main(): Promise<void> {
  const { options, endpoint, dataKeys, maxRate } = JSON.parse(process.env['CHILD_TASK'] ?? '') as RotateTask
  const credentials = { accessKeyId: 'x', secretAccessKey: 'x' }
  const client = new KMSClient({ endpoint, region: 'us-east-1', credentials })
  const encryption = kmsEncryption({ keyId: 'alias/test', client, dataKeys })
  const configured = encryption.configure({ ...options, entities: [Letter] })
  const dataSource = await new DataSource(configured).initialize()
  await rotateColumns(dataSource, Letter, ['text'], {
    batchSize: 25,
    maxRate,
    onProgress: () => process.stdout.write('.'),
  })
  await dataSource.destroy()
  encryption.close()
}

void main()
