import 'reflect-metadata'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'

/** A row that several processes share. */
@Entity()
export class Letter {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted() text!: string
}
