import { CreateKeyCommand } from '@aws-sdk/client-kms'
import { Column, DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted, kmsEncryption, KmsEncryptionError } from 'typeorm-kms-encrypted'
import { LocalKms } from 'typeorm-kms-encrypted/local-kms'

@Entity()
class User {
  @PrimaryGeneratedColumn({ type: 'integer' }) id!: number
  @Column({ type: 'varchar' }) email!: string
  @KmsEncrypted({ type: 'string' }) privateKey!: string
  @KmsEncrypted({ type: 'json', nullable: true }) recovery!: { codes: string[] } | null
}

async function main(): Promise<void> {
  const client = new LocalKms({ quiet: true }).client()
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
  const encryption = kmsEncryption({ keyId: KeyMetadata?.KeyId ?? '', client })
  const dataSource = new DataSource(
    encryption.configure({
      type: 'sqljs',
      entities: [User],
      synchronize: true,
    }),
  )
  await dataSource.initialize()
  const users = dataSource.getRepository(User)
  const user = new User()
  Object.assign(user, {
    email: 'a@example.org',
    privateKey: 'a private key',
    recovery: { codes: ['1', '2'] },
  })
  await users.save(user)
  const { privateKey, recovery } = await users.findOneByOrFail({ email: 'a@example.org' })
  const rows: { privateKey: Uint8Array }[] = await dataSource.query('SELECT * FROM user')
  await dataSource.destroy()
  const row = Buffer.from(rows[0]?.privateKey ?? []).toString('hex', 0, 3)
  console.log(JSON.stringify({ privateKey, recovery, row, missingType: await missingType() }))
}

async function missingType(): Promise<object> {
  try {
    return await import('./missing-type')
  } catch (error) {
    if (error instanceof KmsEncryptionError) return { code: error.code, message: error.message }
    throw error
  }
}

void main()
