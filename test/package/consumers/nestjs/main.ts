import 'reflect-metadata'
import { CreateKeyCommand } from '@aws-sdk/client-kms'
import { Injectable, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm'
import { Column, Entity, PrimaryGeneratedColumn, Repository } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { LocalKms } from 'typeorm-kms-encrypted/local-kms'
import {
  KmsEncryption,
  KmsEncryptionHealthIndicator,
  KmsEncryptionModule,
} from 'typeorm-kms-encrypted/nestjs'

@Entity()
class User {
  @PrimaryGeneratedColumn() id!: number
  @Column() email!: string
  @KmsEncrypted() privateKey!: string
  @KmsEncrypted({ nullable: true }) recovery!: { codes: string[] } | null
}

@Injectable()
class Users {
  constructor(@InjectRepository(User) readonly repository: Repository<User>) {}
}

@Module({
  imports: [
    KmsEncryptionModule.forRootAsync({
      useFactory: async () => {
        const client = new LocalKms({ quiet: true }).client()
        const { KeyMetadata } = await client.send(new CreateKeyCommand({}))
        return { keyId: KeyMetadata?.KeyId ?? '', client }
      },
    }),
    TypeOrmModule.forRootAsync({
      inject: [KmsEncryption],
      useFactory: (encryption: KmsEncryption) =>
        encryption.configure({
          type: 'sqljs',
          autoLoadEntities: true,
          synchronize: true,
        }),
    }),
    TypeOrmModule.forFeature([User]),
  ],
  providers: [Users],
})
class AppModule {}

const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error'] })
const { repository: users } = app.get(Users)
await users.save({ email: 'a@example.org', privateKey: 'a private key', recovery: { codes: ['1', '2'] } })
const { privateKey, recovery } = await users.findOneByOrFail({ email: 'a@example.org' })
const rows: { privateKey: Uint8Array }[] = await users.query('SELECT * FROM user')
const health = app.get(KmsEncryptionHealthIndicator).check()
await app.close()

console.log(
  JSON.stringify({
    privateKey,
    recovery,
    row: Buffer.from(rows[0].privateKey).toString('hex', 0, 3),
    health,
  }),
)
