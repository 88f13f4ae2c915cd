import { CreateKeyCommand } from '@aws-sdk/client-kms'
import { DataSource } from 'typeorm'
import { kmsEncryption } from 'typeorm-kms-encrypted'
import { LocalKms } from 'typeorm-kms-encrypted/local-kms'
import { User } from './user'

export async function openDatabase(): Promise<DataSource> {
  const client = new LocalKms({ quiet: true }).client()
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  const encryption = kmsEncryption({ keyId: KeyMetadata?.KeyId ?? '', client })
  const options = encryption.configure({
    type: 'sqljs',
    entities: [User],
    synchronize: true,
  })
  return new DataSource(options).initialize()
}
