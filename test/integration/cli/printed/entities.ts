import 'reflect-metadata'
import { Entity, PrimaryColumn } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'

abstract class Base {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted({ type: 'string', nullable: true }) note!: string | null
}

/** Of which the application says what the type of `note` is, and of which it does not. */
@Entity({ name: 'safe' })
export class Safe extends Base {
  @KmsEncrypted({ type: 'string', nullable: true, maxLength: 500 }) override note!: string | null
}

/** TypeScript makes `Object` of the union, which is taken for JSON. */
@Entity({ name: 'safe' })
export class Untyped {
  @PrimaryColumn('int') id!: number
  // @ts-expect-error -- the compiler refuses it; applications that are not compiled under strict get so far
  @KmsEncrypted({ nullable: true }) note!: string | null
}

/** Loaded with the file, and in no DataSource. */
@Entity()
export class Elsewhere {
  @PrimaryColumn('int') id!: number
  @KmsEncrypted() secret!: string
}
