import 'reflect-metadata'
import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'

@Entity()
export class User {
  @PrimaryGeneratedColumn() id!: number
  @Column() email!: string
  @KmsEncrypted() privateKey!: string
  @KmsEncrypted({ nullable: true }) recovery!: { codes: string[] } | null
}
