import { type ColumnChange } from './column-change'
import { mysqlSteps, mysqlStorageSteps } from './mysql-steps'
import { postgresSteps } from './postgres-steps'
import { sqliteSteps } from './sqlite-steps'

/** A line of a migration: a statement, TypeScript, a comment, or lines under a condition. */
export type Step =
  { sql: string } | { code: string } | { comment: string } | { unless: string; steps: readonly Step[] }

export interface Steps {
  up: Step[]
  down: Step[]
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

/** What a person would write for the change of one encrypted column. */
export function stepsOf(change: ColumnChange): Steps {
  const { column, old, oldKind, newKind, holds, newType } = change
  const place = `'${column.metadata.entityMetadata.name}', ['${column.metadata.propertyPath}']`
  const call = (name: string): Step => ({ code: `await ${name}(queryRunner, ${place})` })
  if (!old) return addition(change)
  const types = typeSteps(change)
  const up: Step[] = []
  const down: Step[] = []
  if (change.renamed) {
    up.push(...renaming(change, old.name, change.column.metadata.databaseName))
    down.push(...renaming(change, change.column.metadata.databaseName, old.name))
  }
  if (holds.plaintext) {
    if (holds.ciphertext) up.push({ comment: 'Some rows are encrypted already; they stay as they are.' })
    const { afterEncryption = [], beforeDecryption = [] } = types
    return {
      up: [...up, ...warnings(change), ...types.up, call('encryptColumns'), ...afterEncryption],
      down: [...beforeDecryption, call('decryptColumns'), ...types.down, ...down],
    }
  }
  if (change.renamed) up.push(...renamedCiphertext(change, old.name, call))
  if (oldKind === newKind || !holds.ciphertext) {
    const widening = { comment: `${column.name} is now of type ${newType}.` }
    const { afterEncryption = [], beforeDecryption = [] } = types
    return {
      up: [...up, widening, ...types.up, ...afterEncryption],
      down: [...beforeDecryption, ...types.down, ...down],
    }
  }
  return {
    up: [...up, ...storageSteps(change, types, call('rotateColumns'))],
    down: [
      { comment: `To go back, give ${column.name} its earlier storage option and generate a migration.` },
    ],
  }
}

function typeSteps(change: ColumnChange): TypeSteps {
  switch (change.database) {
    case 'mysql':
      return mysqlSteps(change)
    case 'postgres':
      return postgresSteps(change)
    case 'sqlite':
      return sqliteSteps(change)
  }
}

/** Between base64 and bytes: the values change their form while the column is binary. */
function storageSteps(change: ColumnChange, types: TypeSteps, rotate: Step): Step[] {
  if (change.database === 'mysql') return mysqlStorageSteps(change, rotate)
  return change.newKind === 'text' ? [rotate, ...types.up] : [...types.up, rotate]
}

function addition(change: ColumnChange): Steps {
  const { column, tableSql, nameSql, newType, database } = change
  const add = { sql: `ALTER TABLE ${tableSql} ADD COLUMN ${nameSql} ${newType} NULL` }
  const exists = hasColumn(change, column.metadata.databaseName)
  const up: Step[] = [database === 'mysql' ? { unless: exists, steps: [add] } : add]
  if (!column.metadata.isNullable) {
    up.push({
      comment: `${column.name} is declared NOT NULL, and the rows that exist have no value. Fill them (save the entities), then make the column NOT NULL in a later migration.`,
    })
  }
  return { up, down: [{ sql: `ALTER TABLE ${tableSql} DROP COLUMN ${nameSql}` }] }
}

function renaming(change: ColumnChange, from: string, to: string): Step[] {
  const { tableSql, column, database } = change
  const quote = database === 'mysql' ? '`' : '"'
  const path = column.metadata.entityMetadata.tablePath
  const comment = `Taken for a renaming of ${from} to ${to} (${column.name}). If it is none, write it anew.`
  // Where TypeORM makes the table anew it must know of the new name.
  if (database === 'sqlite')
    return [{ comment }, { code: `await queryRunner.renameColumn('${path}', '${from}', '${to}')` }]
  const sql = `ALTER TABLE ${tableSql} RENAME COLUMN ${quote}${from}${quote} TO ${quote}${to}${quote}`
  return [{ comment }, database === 'mysql' ? { unless: hasColumn(change, to), steps: [{ sql }] } : { sql }]
}

/** MySQL does not undo a change of structure: a migration that is run again must not repeat it. */
function hasColumn({ column }: ColumnChange, name: string): string {
  return `await queryRunner.hasColumn('${column.metadata.entityMetadata.tablePath}', '${name}')`
}

/** Ciphertexts are bound to the name of their column. */
function renamedCiphertext({ column }: ColumnChange, old: string, call: (name: string) => Step): Step[] {
  const { boundTo, previous } = column.scheme.options
  if (boundTo?.column === old) return []
  if (previous?.some((settings) => settings.boundTo?.column === old)) return [call('rotateColumns')]
  return [
    {
      comment: `The values are bound to the old name. Declare ${column.name} with boundTo: { column: '${old}' }, or with previous: [{ boundTo: { column: '${old}' } }] and rotate it.`,
    },
  ]
}

function warnings({ table, old }: ColumnChange): Step[] {
  const name = old!.name
  const indexed = table.indices.filter(({ columnNames }) => columnNames.includes(name))
  const unique = table.uniques.filter(({ columnNames }) => columnNames.includes(name))
  return [...indexed, ...unique].map((index) => ({
    comment: `${name} is in the index ${index.name ?? ''}. An index of ciphertexts finds nothing: drop it before this.`,
  }))
}
