import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'

/** A page of a diary. Each writer has data keys of their own, which can be forgotten. */
@Entity('typeorm_kms_sample_diary')
export class Diary {
  @PrimaryGeneratedColumn()
  id!: number

  @Column('int')
  writerId!: number

  @KmsEncrypted({ keyPer: { writer: 'writerId' } })
  text!: string
}
