import { LocalKms } from 'typeorm-kms-encrypted/local-kms'
import { kmsEncryption, KmsEncrypted, type KmsEncryption } from 'typeorm-kms-encrypted'
import { CreateAliasCommand, CreateKeyCommand } from '@aws-sdk/client-kms'
import 'reflect-metadata'
import { Column, DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { describeDatabases } from '../support/databases'

@Entity()
class User {
  @PrimaryGeneratedColumn() id!: number
  @Column() email!: string
  @KmsEncrypted() privateKey!: string
  @KmsEncrypted({ nullable: true, name: 'recovery_codes' }) recovery!: { codes: string[] } | null
}

describeDatabases('an encrypted column', (db) => {
  let kms: LocalKms
  let encryption: KmsEncryption
  let dataSource: DataSource

  beforeAll(async () => {
    kms = new LocalKms({ quiet: true })
    const client = kms.client()
    const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
    await client.send(new CreateAliasCommand({ AliasName: 'alias/test', TargetKeyId: KeyMetadata!.KeyId! }))
    encryption = kmsEncryption({ keyId: 'alias/test', client })
    dataSource = new DataSource(
      encryption.configure({ ...db().options, entities: [User], synchronize: true, logging: false }),
    )
    await dataSource.initialize()
  })

  afterAll(() => dataSource.destroy())

  it('is stored as ciphertext and read as plaintext', async () => {
    const users = dataSource.getRepository(User)
    const user = await users.save({
      email: 'a@example.org',
      privateKey: 'a private key 🔑',
      recovery: { codes: ['1'] },
    })
    expect(user.privateKey).toBe('a private key 🔑')
    const [row] = await db().rawQuery(`SELECT * FROM ${db().quote('user')}`)
    expect((row!.privateKey as Buffer).subarray(0, 3)).toEqual(Buffer.from('c10101', 'hex'))
    const found = await users.findOneByOrFail({ id: user.id })
    expect(found).toEqual(user)
    expect(found.recovery).toEqual({ codes: ['1'] })
    kms.calls.reset()
    await users.save(found)
    found.recovery!.codes.push('2')
    await users.save(found)
    await expect(users.findOneByOrFail({ id: user.id })).resolves.toEqual(found)
  })
})
