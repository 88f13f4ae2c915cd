import 'reflect-metadata'
import { DataSource } from 'typeorm'
import { kmsEncryption, type KmsEncryption } from 'typeorm-kms-encrypted'
import { databaseOptions } from './sample-app/database'
import { ApiSecret } from './sample-app/entities/api-secret'
import { User } from './sample-app/entities/user'
import { client, keyId } from './sample-app/kms'

/** A DataSource, and the encryption of its columns. */
export interface Connection {
  dataSource: DataSource
  encryption: KmsEncryption
}

/** What each process of an application makes once, at its start. The sample app plays several processes. */
export function connect(): Connection {
  const encryption = kmsEncryption({ keyId, client })
  const dataSource = new DataSource(
    encryption.configure({ ...databaseOptions(), entities: [User, ApiSecret] }),
  )
  return { dataSource, encryption }
}

/** The DataSource of the sample app, for TypeORM's command line: `typeorm schema:log -d ormconfig.ts`. */
export default connect().dataSource
