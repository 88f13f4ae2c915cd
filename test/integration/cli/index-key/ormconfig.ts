import 'reflect-metadata'
import { DataSource, type DataSourceOptions, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted, kmsEncryption } from 'typeorm-kms-encrypted'

@Entity()
export class Subscriber {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ search: true }) email!: string
}

/** The application of the test: its database and its keys are in the environment. */
const { TEST_DATABASE, KMS_KEY_ID = 'alias/unset', KMS_INDEX_KEY = '' } = process.env

export default TEST_DATABASE === undefined
  ? undefined
  : new DataSource(
      kmsEncryption({ keyId: KMS_KEY_ID, indexKey: KMS_INDEX_KEY, timeout: 120_000 }).configure({
        ...(JSON.parse(TEST_DATABASE) as DataSourceOptions),
        entities: [Subscriber],
      }),
    )
