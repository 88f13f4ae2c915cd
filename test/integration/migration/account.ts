import 'reflect-metadata'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'

/** A row that an application and a migration in another process share. */
@Entity()
export class Account {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', acceptPlaintext: true }) secret!: string
}
