import { DataSource } from 'typeorm'
import { kmsEncryption } from 'typeorm-kms-encrypted'
import { type Connection } from '../ormconfig'
import { databaseOptions } from './database'
import { Diary } from './entities/diary'
import { client, keyId } from './kms'

/** Short, so that nobody has to wait for the story to go on. Where it is left out, it is a minute. */
const LEASE = 1_000

/** An application whose data keys are in a table, instead of in each value. */
export function connectDiaries(): Connection {
  const dataKeys = { table: 'typeorm_kms_sample_data_key', lease: LEASE }
  const encryption = kmsEncryption({ keyId, client, dataKeys })
  const dataSource = new DataSource(encryption.configure({ ...databaseOptions(), entities: [Diary] }))
  return { dataSource, encryption }
}
