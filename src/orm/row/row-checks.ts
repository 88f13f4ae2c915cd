import { type KmsEncryptionError, RowUnknownError } from '../../errors'
import { type BoundColumn } from '../bound-column'
import { boundColumnsOf } from '../statement/entity-catalogue'
import { type CatalogueColumn, type CatalogueTable, type Statement } from '../statement/statement'

/** The unique keys of a table, as lists of column names; where a statement does not say which one is meant. */
export type UniqueKeys = (table: CatalogueTable) => readonly (readonly string[])[]

/**
 * Refuses statements that would leave a value in a row which it is not bound to. Called with the statement before its
 * values are encrypted; the tables are checked by then.
 */
export function rowRefusal(
  { inserts, assignments, tables }: Statement,
  uniqueKeys: UniqueKeys,
): KmsEncryptionError | undefined {
  const changed = assignments.filter(({ value }) => value.kind !== 'itself' || inserts.length > 0)
  for (const { column } of changed) {
    if (!column) continue
    const table = tables.map((named) => named.table).find(({ columns }) => columns.includes(column))
    if (!table) continue
    for (const insert of inserts) {
      if (insert.table !== table || !insert.conflict) continue
      const refusal = conflictRefusal(column, insert.conflict.columns, table, uniqueKeys)
      if (refusal) return refusal
    }
    if (inserts.length > 0) continue
    const left = dependents(table, column).find(
      (encrypted) => !changed.some((each) => each.column?.name === encrypted.metadata.databaseName),
    )
    if (left) {
      return left.error(
        RowUnknownError,
        `the value is bound to ${column.name}, which the statement changes, and is not written with it: it would not open any more. Load the entity with ${left.metadata.propertyPath}, change it and save() it: then the value is encrypted anew; or give both in one update.`,
      )
    }
  }
  return undefined
}

/** The encrypted columns of a table whose values are bound to a column, or were. */
function dependents(table: CatalogueTable, { name }: CatalogueColumn): BoundColumn[] {
  return table.columns.flatMap((column) =>
    boundColumnsOf(column).filter(({ recipes }) => recipes.opensBy.some((each) => each.name === name)),
  )
}

/** The key of a blind index depends on the columns of `keyPer`: rows with one index have the same in those. */
function withKeyed(names: readonly string[], table: CatalogueTable): readonly string[] {
  const found = table.columns.flatMap(boundColumnsOf).flatMap(({ metadata, indexes }) =>
    indexes.filter(
      (index) =>
        names.includes(index.metadata.databaseName) ||
        // The conflict target of a builder is the value itself, and becomes its index when the statement is sent.
        (index.isOfValue && names.includes(metadata.databaseName)),
    ),
  )
  return [...names, ...found.flatMap(({ keyedBy }) => keyedBy.map(({ column }) => column.name))]
}

/** An upsert that finds a row keeps its key: what is encrypted for the row that was to be inserted must fit that one. */
function conflictRefusal(
  changed: CatalogueColumn,
  conflict: readonly string[] | undefined,
  table: CatalogueTable,
  uniqueKeys: UniqueKeys,
): KmsEncryptionError | undefined {
  const keys = (conflict ? [conflict] : uniqueKeys(table)).map((names) => withKeyed(names, table))
  const fits = ({ name }: { name: string }): boolean =>
    keys.length > 0 && keys.every((columns) => columns.includes(name))
  for (const column of [...boundColumnsOf(changed), ...dependents(table, changed)]) {
    const missing = column.recipes.opensBy.filter((each) => !fits(each))
    const isChanged = boundColumnsOf(changed).includes(column)
    if (missing.length === 0 || (!isChanged && fits(changed))) continue
    return column.error(
      RowUnknownError,
      `an upsert may find a row by ${keys.map((columns) => columns.join(', ')).join(' or by ')}, which keeps its own ${missing.map(({ property }) => property).join(', ')}: a value that is bound to that and encrypted for the new row would not open there. Make it part of the conflict paths (and of each unique key, on MySQL and MariaDB), or find the row first and save() it.`,
    )
  }
  return undefined
}
