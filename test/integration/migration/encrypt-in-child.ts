/** Encrypts the accounts of a database, in a process that may be killed at any moment. */
import { KMSClient } from '@aws-sdk/client-kms'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { kmsEncryption } from 'typeorm-kms-encrypted'
import { encryptColumns } from 'typeorm-kms-encrypted/migration'
import { Account } from './account'
import { dieWithin } from './sudden-death'

async function main(): Promise<void> {
  const { options, endpoint, maxRate, killAfter } = JSON.parse(process.env['CHILD_TASK'] ?? '') as {
    options: DataSourceOptions
    endpoint: string
    maxRate: number
    killAfter?: number
  }
  const client = new KMSClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
  })
  const encryption = kmsEncryption({ keyId: 'alias/test', client, timeout: 120_000 })
  const dataSource = await new DataSource(
    encryption.configure({ ...options, entities: [Account] }),
  ).initialize()
  await encryptColumns(dataSource, Account, ['secret'], {
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
