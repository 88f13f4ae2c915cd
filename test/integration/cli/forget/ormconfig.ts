import 'reflect-metadata'
import { DataSource, type DataSourceOptions, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted, kmsEncryption } from 'typeorm-kms-encrypted'

@Entity()
export class Member {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ context: { club: 'chess' } }) phone!: string
}

/** The application of the test: its database is in the environment. */
function connect(database: DataSourceOptions): DataSource {
  const encryption = kmsEncryption({ keyId: 'alias/test', dataKeys: { lease: 500 }, timeout: 120_000 })
  return new DataSource(encryption.configure({ ...database, entities: [Member] }))
}

const { TEST_DATABASE } = process.env

export default TEST_DATABASE === undefined
  ? undefined
  : connect(JSON.parse(TEST_DATABASE) as DataSourceOptions)
