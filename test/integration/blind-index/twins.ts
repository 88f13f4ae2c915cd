import { Column, Entity, type EntityTarget, ManyToOne, PrimaryColumn } from 'typeorm'
import { Indexed, KmsEncrypted } from 'typeorm-kms-encrypted'
import { type DatabaseName } from '../../support/databases'

/** A row, as both applications have it. */
export interface Person {
  id: number
  name: string
  email: string | null
  pin: number | null
  login: string
  address: { city: string }
}

export interface Letter {
  id: number
  text: string
  person: Person
}

export interface Entities {
  Person: EntityTarget<Person>
  Letter: EntityTarget<Letter>
  /** Finds people by both values together. */
  readonly pair: (email: string, pin: number) => object
}

/** The application whose columns are searched by blind indexes. */
export function encryptedTwin(): Entities {
  class Address {
    @KmsEncrypted({ search: true }) city!: string
  }
  @Entity({ name: 'person' })
  class EncryptedPerson implements Person {
    @PrimaryColumn('integer') id!: number
    @Column({ type: 'varchar', length: 40 }) name!: string
    @KmsEncrypted({ type: 'string', search: [true, { name: 'pair', with: ['pin'] }], nullable: true })
    email!: string | null
    @KmsEncrypted({ type: 'number', search: true, nullable: true, storage: 'text' }) pin!: number | null
    // So few bits that each search meets other logins.
    @KmsEncrypted({ search: { normalize: lower, bits: 2 } }) login!: string
    @Column(() => Address) address!: Address
  }
  @Entity({ name: 'letter' })
  class EncryptedLetter implements Letter {
    @PrimaryColumn('integer') id!: number
    @KmsEncrypted({ search: true }) text!: string
    @ManyToOne(() => EncryptedPerson) person!: EncryptedPerson
  }
  const pair = (email: string, pin: number): object => ({ email: Indexed('pair', { email, pin }) })
  return { Person: EncryptedPerson, Letter: EncryptedLetter, pair }
}

/** The same with plain columns that compare exactly; `login` holds what is compared. */
export function plainTwin(database: DatabaseName): Entities {
  const exact = { type: 'varchar', length: 400 } as const
  const text =
    database === 'mariadb' ? { ...exact, charset: 'utf8mb4', collation: 'utf8mb4_nopad_bin' } : exact
  const double = database === 'postgres' ? 'double precision' : 'double'
  class Address {
    @Column(text) city!: string
  }
  @Entity({ name: 'person' })
  class PlainPerson implements Person {
    @PrimaryColumn('integer') id!: number
    @Column({ type: 'varchar', length: 40 }) name!: string
    @Column({ ...text, nullable: true }) email!: string | null
    @Column({ type: double, nullable: true }) pin!: number | null
    @Column({ ...text, transformer: { to: lowered, from: (value: string) => value } }) login!: string
    @Column(() => Address) address!: Address
  }
  @Entity({ name: 'letter' })
  class PlainLetter implements Letter {
    @PrimaryColumn('integer') id!: number
    @Column(text) text!: string
    @ManyToOne(() => PlainPerson) person!: PlainPerson
  }
  return { Person: PlainPerson, Letter: PlainLetter, pair: (email, pin) => ({ email, pin }) }
}

function lower(value: string): string {
  return value.toLowerCase()
}

function lowered(value: unknown): unknown {
  return typeof value === 'string' ? lower(value) : value
}
