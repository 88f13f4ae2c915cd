import 'reflect-metadata'
import { Column, DataSource, type DataSourceOptions, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted, kmsEncryption } from 'typeorm-kms-encrypted'

@Entity()
export class User {
  @PrimaryGeneratedColumn() id!: number
  @Column() email!: string
  @KmsEncrypted() privateKey!: string
  @KmsEncrypted({ type: 'string', nullable: true, storage: 'text' }) note!: string | null
  @KmsEncrypted({ mode: 'direct' }) seed!: string
}

/** The application of the test: its database and its key are in the environment. */
export function connect(keyId: string, database: DataSourceOptions) {
  const encryption = kmsEncryption({ keyId, timeout: 120_000 })
  const dataSource = new DataSource(encryption.configure({ ...database, entities: [User] }))
  return { encryption, dataSource }
}

const { KMS_KEY_ID = 'alias/unset', TEST_DATABASE } = process.env

export default TEST_DATABASE === undefined
  ? undefined
  : connect(KMS_KEY_ID, JSON.parse(TEST_DATABASE) as DataSourceOptions).dataSource
