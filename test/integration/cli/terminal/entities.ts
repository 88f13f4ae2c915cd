import 'reflect-metadata'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'

@Entity({ name: 'account' })
export class Account {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted() privateKey!: string
  @KmsEncrypted({ type: 'json', nullable: true }) recovery!: { codes: string[] } | null
}

@Entity({ name: 'api_secret' })
export class ApiSecret {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ mode: 'direct', acceptPlaintext: true }) secret!: string
}
