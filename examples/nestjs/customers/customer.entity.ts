import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'

@Entity()
export class Customer {
  @PrimaryGeneratedColumn('uuid') id!: string
  @Column() name!: string
  @KmsEncrypted({ maxLength: 64 }) iban!: string
  @KmsEncrypted({ type: 'json', nullable: true }) recovery!: { codes: string[] } | null
}
