import {
  BaseEntity,
  Column,
  DeleteDateColumn,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryGeneratedColumn,
  type Relation,
  UpdateDateColumn,
  VersionColumn,
} from 'typeorm'
import { KmsEncrypted, type KmsEncryptedOptions } from 'typeorm-kms-encrypted'

/** Of a type that does not say `true`: TypeORM's `sum()` takes no property whose type has undefined or null. */
const NULLABLE: KmsEncryptedOptions = { nullable: true }

export class Profile {
  @KmsEncrypted({ nullable: true }) token?: string
}

/** An encrypted column of each kind that can carry a marker: every value type, mode, storage and place. */
@Entity()
export class Vault extends BaseEntity {
  @PrimaryGeneratedColumn() id!: number
  @Column({ type: 'varchar', length: 100, unique: true }) label!: string
  @KmsEncrypted() text!: string
  @KmsEncrypted({ nullable: true, name: 'raw_bytes' }) bytes?: Buffer
  @KmsEncrypted({ nullable: true, type: 'json' }) json!: { codes: string[] } | null
  @KmsEncrypted({ nullable: true, storage: 'text' }) base64?: string
  @KmsEncrypted({ nullable: true, mode: 'direct' }) direct?: string
  @KmsEncrypted(NULLABLE) amount!: number
  @KmsEncrypted({ nullable: true, select: false }) hidden?: string
  @Column(() => Profile) profile!: Profile
  @OneToMany(() => Item, (item) => item.vault, { cascade: true }) items!: Item[]
  @VersionColumn() version!: number
  @UpdateDateColumn() updatedAt!: Date
  @DeleteDateColumn() deletedAt!: Date | null
}

@Entity()
export class Item {
  @PrimaryGeneratedColumn() id!: number
  @KmsEncrypted() note!: string
  @ManyToOne(() => Vault, (vault) => vault.items, { onDelete: 'CASCADE' }) vault!: Relation<Vault>
}
