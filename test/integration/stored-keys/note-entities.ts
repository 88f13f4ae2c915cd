import { Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'

@Entity()
export class Note {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() text!: string
}
