import { KMSClient } from '@aws-sdk/client-kms'
import { DataSource, type DataSourceOptions } from 'typeorm'
import { kmsEncryption, type KmsEncryption } from 'typeorm-kms-encrypted'
import { Account } from './account'

/** What a process of the soak test is told, as JSON in the environment. */
export interface SoakTask {
  options: DataSourceOptions
  endpoint: string
  indexKey: string
  /** The rows of a worker: `first` and each `step`th after it, below `rows`. */
  first: number
  step: number
  rows: number
  journal: string
}

/** Milliseconds for which a process may seal after it last saw the row of a data key. */
export const LEASE = 5_000

export const taskOf = (): SoakTask => JSON.parse(process.env['SOAK_TASK'] ?? '') as SoakTask

/** @param timeout of calls to KMS, in milliseconds. */
export function connect(
  { options, endpoint, indexKey }: SoakTask,
  timeout = 10_000,
): {
  dataSource: DataSource
  encryption: KmsEncryption
} {
  const client = new KMSClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  })
  const encryption = kmsEncryption({
    keyId: 'alias/soak',
    client,
    indexKey,
    dataKeys: { lease: LEASE },
    // Data keys expire while they are in use.
    cache: { maxAge: 2_000 },
    timeout,
  })
  return { encryption, dataSource: new DataSource(encryption.configure({ ...options, entities: [Account] })) }
}
