import { type Dialect } from '../../dialects'
import { type NewColumn, type Step } from '../../dialects/steps'
import { type Alteration, type ColumnChange } from './column-change'

export interface Steps {
  up: Step[]
  down: Step[]
}

/** What a person would write for the change of one encrypted column. */
export function stepsOf(change: ColumnChange, { steps: dialect }: Dialect): Steps {
  if (change.kind === 'addition') return addition(change.column, dialect.add(change.column))
  const { column } = change
  const { old, kind, holds } = column
  const types = dialect.types(column)
  const renamed = renaming(column, old.name, dialect)
  const { afterEncryption = [], beforeDecryption = [] } = types
  if (holds.plaintext) {
    const some = { comment: 'Some rows are encrypted already; they stay as they are.' }
    const encrypt = call('encryptColumns', column)
    const indexes = Array.from(change.expressionIndexes)
    const dropped = indexes.map(([path]) => ({ sql: `DROP INDEX ${path}` }))
    const made = indexes.map(([, sql]) => ({ sql }))
    const up = [...(holds.ciphertext ? [some] : []), ...warnings(change), ...dropped, ...types.up, encrypt]
    const down = [...beforeDecryption, call('decryptColumns', column), ...types.down, ...made]
    return { up: [...renamed.up, ...up, ...afterEncryption], down: [...down, ...renamed.down] }
  }
  const up = old.name === column.name ? [] : [...renamed.up, ...renamedCiphertext(change)]
  const name = `${column.entity}.${column.property}`
  if (old.kind === kind || !holds.ciphertext) {
    const widening = { comment: `${name} is now of type ${column.type}.` }
    return {
      up: [...up, widening, ...types.up, ...afterEncryption],
      down: [...beforeDecryption, ...types.down, ...renamed.down],
    }
  }
  return {
    up: [...up, ...dialect.storage(column, call('rotateColumns', column))],
    down: [{ comment: `To go back, give ${name} its earlier storage option and generate a migration.` }],
  }
}

function call(name: string, { entity, property }: NewColumn): Step {
  return { code: `await ${name}(queryRunner, '${entity}', ['${property}'])` }
}

function addition({ entity, property, nullable, tableSql, nameSql }: NewColumn, add: Step): Steps {
  const empty = {
    comment: `${entity}.${property} is declared NOT NULL, and the rows that exist have no value. Fill them (save the entities), then make the column NOT NULL in a later migration.`,
  }
  return {
    up: nullable ? [add] : [add, empty],
    down: [{ sql: `ALTER TABLE ${tableSql} DROP COLUMN ${nameSql}` }],
  }
}

function renaming(column: NewColumn, old: string, dialect: Dialect['steps']): Steps {
  if (old === column.name) return { up: [], down: [] }
  const oneWay = (from: string, to: string): Step[] => [
    {
      comment: `Taken for a renaming of ${from} to ${to} (${column.entity}.${column.property}). If it is none, write it anew.`,
    },
    dialect.rename(column, from, to),
  ]
  return { up: oneWay(old, column.name), down: oneWay(column.name, old) }
}

/** Ciphertexts are bound to the name of their column. */
function renamedCiphertext({ bound, column }: Alteration): Step[] {
  const { boundTo, previous } = bound.scheme.options
  const old = column.old.name
  if (boundTo?.column === old) return []
  if (previous?.some((settings) => settings.boundTo?.column === old)) return [call('rotateColumns', column)]
  return [
    {
      comment: `The values are bound to the old name. Declare ${bound.name} with boundTo: { column: '${old}' }, or with previous: [{ boundTo: { column: '${old}' } }] and rotate it.`,
    },
  ]
}

function warnings({ column, indexes, expressionIndexes }: Alteration): Step[] {
  return [...indexes, ...expressionIndexes.keys()].map((index) => ({
    comment: `${column.old.name} is in the index ${index}. An index of ciphertexts finds nothing: it has to be dropped before this.`,
  }))
}
