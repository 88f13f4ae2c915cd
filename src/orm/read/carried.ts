import { type Scheme } from '../../column/scheme'
import { channels, type NamedRow } from '../../diagnostics'
import { KmsEncryptionError } from '../../errors'
import { type BoundColumn } from '../bound-column'
import { type RowValues } from '../recipe'
import { keyOf, UNOPENED, type ValueKey } from './opened-results'
import { type Opening } from './opening'
import { type EncryptedResult, type Row } from './result-columns'
import { type FetchedValue } from './row-fetch'

/** Where a value stands. */
interface Place {
  readonly inRow: Row
  /** The name of its column in the row. */
  readonly name: string
  readonly key: ValueKey
  /** Of its column. */
  readonly scheme: Scheme
}

/** A value of a row that is to be opened. */
type ToOpen = Place & Opening

/** One of which it is known already what becomes of it. */
interface Settled extends Place {
  readonly column: BoundColumn
  readonly recipe: undefined
  readonly opened: KmsEncryptionError | typeof UNOPENED
}

/** A value of a row, on its way to hydration. */
export type Carried = ToOpen | Settled

export function isToOpen(carried: Carried): carried is ToOpen {
  return carried.recipe !== undefined
}

/** The values of a column in a result, each with what it is opened under: that of its own row. */
export function carry(result: EncryptedResult, rows: readonly Row[], fetched?: FetchedValue): Carried[] {
  const carried: Carried[] = []
  for (const row of rows) {
    const value = carryOne(result, row, fetched)
    if (value) carried.push(value)
  }
  return carried
}

/** `undefined` for NULL, and for what cannot be a ciphertext. */
function carryOne(result: EncryptedResult, inRow: Row, fetched?: FetchedValue): Carried | undefined {
  const { column, name } = result
  const { recipes, scheme } = column
  const value = inRow[name]
  const stored = column.storedIfDelivered(value)
  if (stored === undefined) return undefined
  const key = keyOf(value, stored)
  try {
    const recipe = recipes.constant ?? column.recipeOfStored(rowValues(result, inRow, fetched))
    const bytes = column.opener.bytesOf(stored)
    const row = channels.value.hasSubscribers ? namedRow(result, inRow) : undefined
    return { column, scheme, recipe, stored, bytes, row, opened: undefined, inRow, name, key }
  } catch (error) {
    if (!(error instanceof KmsEncryptionError)) throw error
    return { column, scheme, recipe: undefined, opened: error, inRow, name, key }
  }
}

function rowValues(result: EncryptedResult, row: Row, fetched: FetchedValue | undefined): RowValues {
  return (other) => valueOf(row, result.rowName(other)) ?? fetched?.(result, row, other)
}

/** Values that stay as they are. */
export function carryUnopened({ column, name }: EncryptedResult, rows: readonly Row[]): Carried[] {
  return rows.flatMap((inRow) => {
    const stored = column.storedIfDelivered(inRow[name])
    if (stored === undefined) return []
    const key = keyOf(inRow[name], stored)
    return [{ column, scheme: column.scheme, recipe: undefined, opened: UNOPENED, inRow, name, key }]
  })
}

/** The primary key of a row, as far as the result has it. */
function namedRow({ column, rowName }: EncryptedResult, row: Row): NamedRow {
  return () => {
    const key = column.metadata.entityMetadata.primaryColumns.map(
      ({ propertyPath, databaseName }) => [propertyPath, valueOf(row, rowName(databaseName))] as const,
    )
    return key.length > 0 && key.every(([, value]) => value !== undefined)
      ? Object.fromEntries(key)
      : undefined
  }
}

/** What a row has in a column of its result. */
export function valueOf(row: Row, name: string | undefined): unknown {
  return name === undefined ? undefined : row[name]
}
