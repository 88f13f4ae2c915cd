import { type ColumnKind } from './bytes-sql'

/** A line of a migration: a statement, TypeScript, a comment, or lines under a condition or inside of a call. */
export type Step =
  | { sql: string }
  | { code: string }
  | { comment: string }
  | { unless: string; steps: readonly Step[] }
  | { within: string; steps: readonly Step[] }

/** An encrypted column, as the entity declares it. */
export interface NewColumn {
  entity: string
  property: string
  tablePath: string
  /** Name of the column as it is to be. */
  name: string
  /** Escaped table path and name. */
  tableSql: string
  nameSql: string
  /** Name of the value type, e.g. `date`. */
  valueType: string
  /** The database type that the entity declares, as SQL. */
  type: string
  kind: ColumnKind
  nullable: boolean
}

/** An encrypted column that the database has otherwise. */
export interface ChangedColumn extends NewColumn {
  old: OldColumn
  /** What the rows hold now. */
  holds: { plaintext: boolean; ciphertext: boolean }
}

/** A column as the database has it. */
export interface OldColumn {
  /** Another name, if nothing in the entity has that name any more. */
  name: string
  /** Its bare type, e.g. `varchar`. */
  type: string
  /** Its whole type as SQL, with length, character set and collation. */
  fullType: string
  kind: ColumnKind
  nullable: boolean
  /** Length of its type, expression of its default, and comment, where it has them. */
  length: string | undefined
  default: string | undefined
  comment: string | undefined
}

/** Type changes around the encryption, with the values kept. */
export interface TypeSteps {
  /** From the old type to the new one: the values become the bytes of their serialised form. */
  up: Step[]
  /** From the new type, with plaintext in it, to the old one. */
  down: Step[]
  /** What waits until the values are encrypted, because the new type may not hold all of their plaintext. */
  afterEncryption?: Step[]
  /** Its reverse: what the plaintext needs. */
  beforeDecryption?: Step[]
}

/** What a person would write for changes of encrypted columns on one database. */
export interface MigrationSteps {
  /** A new column, which can be NULL: the rows that exist have no value. */
  add(column: NewColumn): Step
  rename(column: NewColumn, from: string, to: string): Step
  /** Between two types. */
  types(column: ChangedColumn): TypeSteps
  /** Between base64 and bytes: the values change their form (`rotate`) while the column is binary. */
  storage(column: ChangedColumn, rotate: Step): Step[]
  /** An expression as text, as the database writes it. */
  asText(sql: string): string
  /** All steps of one direction, given the tables that they change. */
  whole(steps: readonly Step[], tables: readonly string[]): readonly Step[]
  /** Tables that statements of TypeORM make anew. */
  rebuilt(statements: readonly string[]): string[]
}

/** `ALTER TABLE … ADD COLUMN`. */
export function addition({ tableSql, nameSql, type }: NewColumn): Step {
  return { sql: `ALTER TABLE ${tableSql} ADD COLUMN ${nameSql} ${type} NULL` }
}

/** Where a type change keeps the values, the form of the values changes before or after it. */
export function storageAround({ kind }: ChangedColumn, { up }: TypeSteps, rotate: Step): Step[] {
  return kind === 'text' ? [rotate, ...up] : [...up, rotate]
}
