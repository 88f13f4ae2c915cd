import 'reflect-metadata'
import { Column, Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'

/** One column of each kind: what the traffic writes and reads. */
@Entity()
export class Account {
  @PrimaryColumn('int') id!: number
  @Column('int') tenantId!: number
  /** Which write this is; all encrypted values are made of it. */
  @Column('int') version!: number
  @KmsEncrypted({ type: 'string' }) secret!: string
  @KmsEncrypted({ type: 'json', nullable: true }) profile!: { version: number; text: string } | null
  @KmsEncrypted({ type: 'string', search: true }) email!: string
  @KmsEncrypted({ type: 'string', mode: 'direct' }) pin!: string
  @KmsEncrypted({ type: 'string', boundTo: { table: 'account', column: 'bound', row: ['id'] } })
  bound!: string
  @KmsEncrypted({ type: 'string', keyPer: ['tenantId'] }) perTenant!: string
}

/** Tenants of the traffic. Those that are forgotten meanwhile have numbers from `FORGOTTEN` on. */
export const TENANTS = 8
export const FORGOTTEN = 1_000

/** The row that a write of this version makes. */
export function accountOf(id: number, version: number): Account {
  return Object.assign(new Account(), {
    id,
    tenantId: id % TENANTS,
    version,
    secret: `secret ${id} ${version} 🔑`,
    profile: version % 3 === 0 ? null : { version, text: 'x'.repeat(version % 200) },
    email: `${version}@${id}.example`,
    pin: `pin ${id} ${version}`,
    bound: `bound ${id} ${version}`,
    perTenant: `tenant ${id} ${version}`,
  })
}

/** What is wrong with a row, if it is not what the write of its version made. */
export function faultIn(row: Account): string | undefined {
  const right = accountOf(row.id, row.version)
  for (const name of Object.keys(right) as (keyof Account)[]) {
    if (JSON.stringify(row[name]) !== JSON.stringify(right[name]))
      return `row ${row.id} version ${row.version}: ${name} is not what was written`
  }
  return undefined
}
