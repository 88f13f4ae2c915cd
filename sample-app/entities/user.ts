import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'

/** What brings a user back who has lost everything else. */
export interface Recovery {
  codes: string[]
}

/** A user, whose private key is a column like the others. */
@Entity('typeorm_kms_sample_user')
export class User {
  @PrimaryGeneratedColumn()
  id!: number

  @Column({ unique: true })
  email!: string

  @Column()
  displayName!: string

  /** PEM (SPKI), for everybody to read. */
  @Column('text')
  publicKey!: string

  /** PEM (PKCS #8). */
  @KmsEncrypted()
  privateKey!: string

  /** An object is encrypted as JSON. `null` stays NULL. */
  @KmsEncrypted({ nullable: true })
  recovery!: Recovery | null
}
