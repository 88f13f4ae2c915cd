import { Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'

@Entity()
export class Forgetful {
  @PrimaryGeneratedColumn({ type: 'integer' }) id!: number
  @KmsEncrypted() privateKey!: string
}
