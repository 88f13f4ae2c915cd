/** Brings the letters of a database to stored data keys or back, in a process that may be killed at any moment. */
import { KMSClient } from '@aws-sdk/client-kms'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { kmsEncryption } from 'typeorm-kms-encrypted'
import { rotateColumns } from 'typeorm-kms-encrypted/migration'
import { dieWithin } from '../migration/sudden-death'
import { Letter } from './letter'

export interface RotateTask {
  options: DataSourceOptions
  endpoint: string
  dataKeys: 'inline' | 'stored'
  maxRate: number
  /** Milliseconds from the first batch. */
  killAfter: number | undefined
}

async function main(): Promise<void> {
  const { options, endpoint, dataKeys, maxRate, killAfter } = JSON.parse(
    process.env['CHILD_TASK'] ?? '',
  ) as RotateTask
  const credentials = { accessKeyId: 'x', secretAccessKey: 'x' }
  const client = new KMSClient({ endpoint, region: 'us-east-1', credentials })
  const encryption = kmsEncryption({ keyId: 'alias/test', client, dataKeys, timeout: 120_000 })
  const configured = encryption.configure({ ...options, entities: [Letter] })
  const dataSource = await new DataSource(configured).initialize()
  await rotateColumns(dataSource, Letter, ['text'], {
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
