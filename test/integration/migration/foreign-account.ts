import 'reflect-metadata'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'
import { prismaFieldEncryption, typeormEncrypted } from 'typeorm-kms-encrypted/formats'
import { GCM, PRISMA } from './foreign-values'

/** A row that an application and a migration in another process share; other libraries encrypted it. */
@Entity()
export class ForeignAccount {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', storage: 'text', acceptFormats: [typeormEncrypted(GCM)] }) typeorm!: string
  @KmsEncrypted({
    type: 'string',
    storage: 'text',
    acceptFormats: [prismaFieldEncryption({ keys: [PRISMA] })],
  })
  prisma!: string
}
