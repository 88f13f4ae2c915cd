import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'

/** A secret so precious that each reading of it is to be a call to KMS, on record in CloudTrail: direct mode. */
@Entity('typeorm_kms_sample_api_secret')
export class ApiSecret {
  @PrimaryGeneratedColumn()
  id!: number

  @Column()
  name!: string

  /** At most 4096 bytes. */
  @KmsEncrypted({ mode: 'direct' })
  secret!: Buffer
}
