import {
  BaseEntity,
  Column,
  type ColumnOptions,
  DeleteDateColumn,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryGeneratedColumn,
  type ValueTransformer,
  VersionColumn,
} from 'typeorm'
import { KmsEncrypted, type KmsEncryptedOptions, type ValueTypeName } from 'typeorm-kms-encrypted'
import { type DatabaseName } from '../../support/databases'

/** Declares a column that holds a secret: encrypted in one world, plain in the other. */
export type SecretColumn = (type: ValueTypeName, options?: KmsEncryptedOptions) => PropertyDecorator

export const encryptedColumn: SecretColumn = (type, options = {}) => KmsEncrypted({ ...options, type })

/** What values may be bound to and keyed by, in any combination. */
const BINDINGS: readonly KmsEncryptedOptions[] = [
  {},
  { boundTo: { row: ['id'] } },
  { keyPer: ['tenantId'] },
  { boundTo: { row: ['id', 'tenantId'] } },
  { boundTo: { row: ['id'] }, keyPer: { tenant: 'tenantId' } },
]

/** Encrypted columns each with a binding of its own, chosen by the seed; those of notes have no tenant. */
export function boundColumn(seed: number): SecretColumn {
  let state = seed
  return (type, options = {}) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    const binding = BINDINGS[(state >>> 16) % BINDINGS.length]!
    const isOfNote = options.mode === 'direct'
    return encryptedColumn(type, { ...options, ...(isOfNote ? { boundTo: { row: ['id'] } } : binding) })
  }
}

/** A column of TypeORM's own that holds the same values. */
export function plainColumn(database: DatabaseName): SecretColumn {
  const text = { mariadb: 'longtext', postgres: 'text', sqlite: 'text' } as const
  const bytes = { mariadb: 'longblob', postgres: 'bytea', sqlite: 'blob' } as const
  const types: Record<ValueTypeName, ColumnOptions> = {
    string: { type: text[database] },
    buffer: { type: bytes[database] },
    json: { type: 'simple-json' },
    boolean: { type: Boolean },
    number: asText((value) => (Object.is(value, -0) ? '-0' : String(value)), Number),
    bigint: asText(String, BigInt),
    date: asText(
      (value) => (value as Date).toISOString(),
      (value) => new Date(value),
    ),
  }
  function asText(to: (value: unknown) => string, from: (text: string) => unknown): ColumnOptions {
    const transformer: ValueTransformer = {
      to: (value: unknown) => (value === null || value === undefined ? value : to(value)),
      from: (value: string | null | undefined) =>
        value === null || value === undefined ? value : from(value),
    }
    return { type: text[database], transformer }
  }
  return (type, { nullable } = {}) => Column({ ...types[type], ...(nullable ? { nullable } : {}) })
}

export interface Secrets {
  token?: string | null
  phrase?: string | null
  bytes?: Buffer | null
  data?: unknown
  amount?: number | null
  big?: bigint | null
  flag?: boolean | null
  since?: Date | null
}

export interface NoteShape {
  id?: number
  label?: string
  text?: string | null
  version?: number
  accountId?: number | null
}

export interface AccountShape extends Secrets {
  id?: number
  email?: string
  tenantId?: number
  logins?: number
  version?: number
  deletedAt?: Date | null
  pin?: { code?: string | null; tries?: number | null }
  notes?: NoteShape[]
}

export interface Entities {
  Account: new () => AccountShape & BaseEntity
  Note: new () => NoteShape
}

/** The same two entities for each world; the secrets' columns are the only difference. */
export function defineEntities(secret: SecretColumn): Entities {
  class Pin {
    @secret('string', { nullable: true }) code?: string | null
    @secret('number', { nullable: true }) tries?: number | null
  }

  @Entity('account')
  class Account extends BaseEntity implements AccountShape {
    @PrimaryGeneratedColumn() id!: number
    @Column({ type: 'varchar', length: 20, unique: true }) email!: string
    @Column({ type: 'int' }) tenantId!: number
    @Column({ type: 'int', default: 0 }) logins!: number
    @VersionColumn() version!: number
    @DeleteDateColumn() deletedAt!: Date | null
    @secret('string') token!: string
    @secret('string', { nullable: true, storage: 'text' }) phrase!: string | null
    @secret('buffer', { nullable: true, maxLength: 1000 }) bytes!: Buffer | null
    @secret('json', { nullable: true }) data!: unknown
    @secret('number', { nullable: true }) amount!: number | null
    @secret('bigint', { nullable: true, storage: 'text', maxLength: 500 }) big!: bigint | null
    @secret('boolean', { nullable: true }) flag!: boolean | null
    @secret('date', { nullable: true }) since!: Date | null
    @Column(() => Pin) pin!: Pin
    @OneToMany('Note', 'account', { cascade: true }) notes!: Note[]
  }

  @Entity('note')
  class Note implements NoteShape {
    @PrimaryGeneratedColumn() id!: number
    @Column({ type: 'varchar', length: 20, default: 'none' }) label!: string
    @secret('string', { nullable: true, mode: 'direct' }) text!: string | null
    @VersionColumn() version!: number
    @Column({ type: 'int', nullable: true }) accountId!: number | null
    @ManyToOne('Account', 'notes', { onDelete: 'CASCADE' }) account!: unknown
  }

  return { Account, Note }
}
