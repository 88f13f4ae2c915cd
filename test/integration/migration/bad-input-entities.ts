import { Column, Entity, PrimaryColumn, ViewColumn, ViewEntity } from 'typeorm'
import { KmsEncrypted } from 'typeorm-kms-encrypted'

/** A table per kind of bad input, so that the tool can meet them all at once. */
class Row {
  @PrimaryColumn('int') id!: number
}

@Entity()
export class Short extends Row {
  @Column('varchar', { length: 10, nullable: true }) label!: string | null
  @KmsEncrypted({ type: 'string', storage: 'text', maxLength: 100 }) note!: string
}

@Entity()
export class Latin extends Row {
  @KmsEncrypted({ type: 'string', storage: 'text' }) note!: string
}

@Entity()
export class Direct extends Row {
  @KmsEncrypted({ type: 'string', mode: 'direct' }) pin!: string
}

@Entity()
export class Rotated extends Row {
  @KmsEncrypted({ type: 'string' }) secret!: string
}

@Entity()
export class Locked extends Row {
  @KmsEncrypted({ type: 'string' }) secret!: string
}

@ViewEntity({ expression: "SELECT 1 AS one, 'x' AS secret" })
export class Keyless {
  @ViewColumn() one!: number
  @KmsEncrypted({ type: 'string' }) secret!: string
}

export const BAD_INPUT_ENTITIES = [Short, Latin, Direct, Rotated, Locked, Keyless]
