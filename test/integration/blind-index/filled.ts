import 'reflect-metadata'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'

/** Rows that an application writes while another process fills their blind index. */
@Entity()
export class Filled {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ search: { filling: true } }) email!: string
}
