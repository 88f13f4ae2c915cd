import 'reflect-metadata'
import { Column, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'

// Declarations of an application of version 0.1.0. They stay as they are, as its rows do.

@Entity({ name: 'inline_values' })
export class Inline {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string' }) bytes!: string
  @KmsEncrypted({ type: 'string', storage: 'text' }) text!: string
  @KmsEncrypted({ type: 'string', mode: 'direct' }) direct!: string
  @KmsEncrypted({ type: 'string', mode: 'direct', storage: 'text' }) directText!: string
  @KmsEncrypted({ type: 'json', nullable: true }) json!: { codes: string[] } | null
  @KmsEncrypted({ type: 'number' }) number!: number
  @KmsEncrypted({ type: 'bigint' }) bigint!: bigint
  @KmsEncrypted({ type: 'boolean' }) boolean!: boolean
  @KmsEncrypted({ type: 'date' }) date!: Date
  @KmsEncrypted({ type: 'buffer' }) buffer!: Buffer
  @KmsEncrypted({ type: 'string', boundTo: { row: ['id'] } }) bound!: string
  @KmsEncrypted({ type: 'string', search: true }) searched!: string
}

@Entity({ name: 'stored_values' })
export class Stored {
  @PrimaryColumn('int') id!: number
  @Column({ type: 'int' }) tenantId!: number
  @KmsEncrypted({ type: 'string' }) bytes!: string
  @KmsEncrypted({ type: 'string', storage: 'text' }) text!: string
  @KmsEncrypted({ type: 'string', boundTo: { row: ['id'] }, keyPer: { tenant: 'tenantId' } }) keyed!: string
  @KmsEncrypted({ type: 'string', search: { normalize: (value: string) => value.toLowerCase() } })
  searched!: string
}

export const inline: Inline[] = [
  {
    id: 1,
    bytes: 'a private key',
    text: 'naïve, 密码, 🔑',
    direct: 'seen by KMS',
    directText: 'as text',
    json: { codes: ['1', '2'] },
    number: -0.5,
    bigint: 9_007_199_254_740_993n,
    boolean: true,
    date: new Date('2026-11-26T01:02:03.004Z'),
    buffer: Buffer.from('c10101', 'hex'),
    bound: 'of row 1',
    searched: 'ada@example.org',
  },
  {
    id: 2,
    bytes: '',
    text: '',
    direct: '',
    directText: '',
    json: null,
    number: 0,
    bigint: 0n,
    boolean: false,
    date: new Date(0),
    buffer: Buffer.alloc(0),
    bound: '',
    searched: '',
  },
]

export const stored: Stored[] = [
  {
    id: 1,
    tenantId: 7,
    bytes: 'a private key',
    text: 'as text',
    keyed: 'of tenant 7',
    searched: 'Ada@Example.org',
  },
  { id: 2, tenantId: 8, bytes: '', text: '', keyed: 'of tenant 8', searched: 'grace@example.org' },
]
