import { type ColumnOptions } from 'typeorm'
import { KmsEncrypted, type KmsEncryptedOptions, type ValueTypeName } from 'typeorm-kms-encrypted'
import { expectType } from './expect-type'

interface RecoveryCodes {
  codes: string[]
}

/** What is accepted. */
export class Accepted {
  @KmsEncrypted() token!: string
  @KmsEncrypted({}) pin!: number
  @KmsEncrypted({ nullable: true }) recovery!: RecoveryCodes | null
  @KmsEncrypted({ type: 'buffer', maxLength: 1024 }) seed!: Buffer
  @KmsEncrypted({ type: 'json', storage: 'text' }) codes!: readonly string[]
  @KmsEncrypted({ type: 'bigint', mode: 'direct' }) balance!: bigint
  @KmsEncrypted({ type: 'boolean', context: { tenant: 'a' } }) admin!: boolean
  @KmsEncrypted({ type: 'date', keyId: 'alias/dates' }) birthday!: Date
  @KmsEncrypted({ boundTo: { table: 'old_users', column: 'secret' } }) renamed!: string
  @KmsEncrypted({ acceptPlaintext: true }) migrating!: string
  @KmsEncrypted({ name: 'n', select: false, insert: true, update: false, comment: 'c' }) plain!: string
}

expectType<'string' | 'buffer' | 'json' | 'number' | 'bigint' | 'boolean' | 'date', ValueTypeName>(true)
expectType<ValueTypeName | undefined, KmsEncryptedOptions['type']>(true)

const enum Level {
  Low,
  High,
}

/** Types of properties that go with the options. */
export class Fitting<Value> {
  @KmsEncrypted({ type: 'string' }) literal!: 'a' | 'b'
  @KmsEncrypted({ type: 'string' }) branded!: string & { readonly brand: unique symbol }
  @KmsEncrypted({ type: 'string', nullable: true }) nullable!: string | null
  @KmsEncrypted({ type: 'string', nullable: true }) optional?: string
  @KmsEncrypted({ nullable: true }) optionalByDesignType?: string
  @KmsEncrypted({ nullable: false }) notNullable!: string
  @KmsEncrypted({ type: 'number' }) level!: Level
  @KmsEncrypted({ type: 'bigint', nullable: true }) bigint!: bigint | null
  @KmsEncrypted({ type: 'date', nullable: true }) date!: Date | null
  @KmsEncrypted({ type: 'buffer' }) bytes!: Uint8Array
  @KmsEncrypted({ type: 'boolean' }) boolean!: boolean
  @KmsEncrypted({ type: 'json' }) text!: string
  @KmsEncrypted({ type: 'json' }) generic!: Value
  @KmsEncrypted({ type: 'json', nullable: true }) list!: number[] | null
  @KmsEncrypted({ type: 'string' }) unknown!: unknown
  @KmsEncrypted({ type: 'string', nullable: true }) private secret!: string | null
  @KmsEncrypted({ type: 'string', nullable: true }) protected secretOfSubclasses!: string | null
  secrets = (): unknown[] => [this.secret, this.secretOfSubclasses]
}

/** Types of properties that do not: the value would be refused, or come back as something else. */
export class Unfitting {
  // @ts-expect-error a number is not text
  @KmsEncrypted({ type: 'number' }) pin!: string
  // @ts-expect-error text is not a number
  @KmsEncrypted({ type: 'string' }) amount!: number
  // @ts-expect-error a number loses digits of a bigint
  @KmsEncrypted({ type: 'number' }) balance!: bigint
  // @ts-expect-error a Buffer is not text
  @KmsEncrypted({ type: 'buffer' }) seed!: string
  // @ts-expect-error a Date is not text
  @KmsEncrypted({ type: 'date' }) birthday!: string
  // @ts-expect-error neither of the two is certain
  @KmsEncrypted({ type: 'string' }) either!: string | number
  // @ts-expect-error the type is checked beside null, too
  @KmsEncrypted({ type: 'boolean', nullable: true }) flag!: string | null
  // @ts-expect-error NULL comes back as null
  @KmsEncrypted({ type: 'string', nullable: true }) nullable!: string
  // @ts-expect-error NULL comes back as null, whatever tells the type
  @KmsEncrypted({ nullable: true }) nullableByDesignType!: string
  // @ts-expect-error the compiler says Object of it, which would be JSON
  @KmsEncrypted({ nullable: true }) union!: string | null
  // @ts-expect-error the same of bytes
  @KmsEncrypted({ nullable: true }) bytes!: Buffer | null
}

/** Options of `@Column()` that are refused when the class is defined are refused by the compiler. */
export class Refused {
  // @ts-expect-error a database default would be plaintext
  @KmsEncrypted({ default: 'none' }) withDefault!: string
  // @ts-expect-error a ciphertext cannot be found again by its value
  @KmsEncrypted({ primary: true }) primary!: string
  // @ts-expect-error the database cannot generate a ciphertext
  @KmsEncrypted({ generated: 'uuid' }) generated!: string
  // @ts-expect-error an array is encrypted as one value
  @KmsEncrypted({ array: true }) array!: string[]
  // @ts-expect-error the database cannot check a ciphertext
  @KmsEncrypted({ enum: ['a', 'b'] }) enum!: string
  // @ts-expect-error the database cannot check a ciphertext
  @KmsEncrypted({ enumName: 'letters' }) enumName!: string
  // @ts-expect-error the library itself is the transformer
  @KmsEncrypted({ transformer: { to: String, from: String } }) transformer!: string
  // @ts-expect-error the ciphertext is longer than the value
  @KmsEncrypted({ length: 32 }) length!: string
  // @ts-expect-error the column holds ciphertext
  @KmsEncrypted({ width: 4 }) width!: number
  // @ts-expect-error the column holds bytes
  @KmsEncrypted({ charset: 'utf8mb4' }) charset!: string
  // @ts-expect-error ciphertexts have no order
  @KmsEncrypted({ collation: 'C' }) collation!: string
  // @ts-expect-error numbers keep their full precision
  @KmsEncrypted({ precision: 10 }) precision!: number
  // @ts-expect-error numbers keep their full precision
  @KmsEncrypted({ scale: 2 }) scale!: number
  // @ts-expect-error the column holds ciphertext
  @KmsEncrypted({ unsigned: true }) unsigned!: number
  // @ts-expect-error the column holds ciphertext
  @KmsEncrypted({ zerofill: true }) zerofill!: number
  // @ts-expect-error the database cannot compute a ciphertext
  @KmsEncrypted({ onUpdate: 'CURRENT_TIMESTAMP' }) onUpdate!: Date
  // @ts-expect-error the database cannot compute a ciphertext
  @KmsEncrypted({ asExpression: '1' }) asExpression!: string
  // @ts-expect-error the database cannot compute a ciphertext
  @KmsEncrypted({ generatedType: 'STORED' }) generatedType!: string
  // @ts-expect-error the database cannot compute a ciphertext
  @KmsEncrypted({ generatedIdentity: 'ALWAYS' }) generatedIdentity!: number
  // @ts-expect-error the column holds ciphertext
  @KmsEncrypted({ hstoreType: 'object' }) hstoreType!: object
  // @ts-expect-error the column holds ciphertext
  @KmsEncrypted({ spatialFeatureType: 'Point' }) spatialFeatureType!: object
  // @ts-expect-error the column holds ciphertext
  @KmsEncrypted({ srid: 4326 }) srid!: object
  // @ts-expect-error dates are kept in UTC
  @KmsEncrypted({ utc: true }) utc!: Date

  // @ts-expect-error a type of the database is not a value type
  @KmsEncrypted({ type: 'varchar' }) databaseType!: string
  // @ts-expect-error nor is a constructor
  @KmsEncrypted({ type: String }) constructorType!: string
  // @ts-expect-error the type is an option, not an argument of its own
  @KmsEncrypted('string') argument!: string
  // @ts-expect-error no such mode
  @KmsEncrypted({ mode: 'deterministic' }) mode!: string
  // @ts-expect-error no such storage
  @KmsEncrypted({ storage: 'hex' }) storage!: string
  // @ts-expect-error a context maps strings to strings
  @KmsEncrypted({ context: { tenant: 1 } }) context!: string
  // @ts-expect-error a value is bound to a table and a column only
  @KmsEncrypted({ boundTo: { row: '1' } }) boundTo!: string
  // @ts-expect-error a number of bytes
  @KmsEncrypted({ maxLength: '32' }) maxLength!: string
  // @ts-expect-error a misspelt option
  @KmsEncrypted({ nulable: true }) misspelt!: string
}

/** Options that are not written in place. */
export function optionsOfAColumn(column: ColumnOptions, encrypted: KmsEncryptedOptions): PropertyDecorator[] {
  return [
    KmsEncrypted(encrypted),
    // @ts-expect-error options of a plain column do not pass unseen
    KmsEncrypted(column),
  ]
}
