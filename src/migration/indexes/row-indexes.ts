import { randomBytes } from 'node:crypto'
import { INDEX_LENGTH } from '../../cipher/blind-index'
import { type ColumnRow } from '../../dialects/rows/column-rows'
import { isSame } from '../../dialects/rows/is-same'
import { KmsEncryptionError } from '../../errors'
import { type BoundColumn } from '../../orm/bound-column'
import { boundColumn } from '../../orm/bound-columns'
import { type RowRecipe, type RowValues } from '../../orm/recipe'
import { type BlindIndex } from '../../orm/search/blind-index'
import { valueUnder } from '../../orm/search/index-of-row'
import { type IndexValue } from '../../orm/search/keyed-index'

/**
 * What the row ought to have in the columns of its blind indexes: `null` without a value in one of the columns that the
 * index is over, `undefined` where the value of another does not open, or is no ciphertext yet.
 */
export async function rowIndexes(
  column: BoundColumn,
  row: ColumnRow,
  recipe: RowRecipe,
  plaintext: Buffer,
): Promise<(IndexValue | null | undefined)[]> {
  const made: (IndexValue | null | undefined)[] = []
  for (const index of column.indexes) {
    const plaintexts = await plaintextsOf(index, column, row, plaintext)
    made.push(plaintexts && (await valueUnder(index, recipe, plaintexts)))
  }
  return made
}

/** Of all columns that an index is over. */
async function plaintextsOf(
  { members }: BlindIndex,
  column: BoundColumn,
  row: ColumnRow,
  own: Buffer,
): Promise<Buffer[] | null | undefined> {
  const all: Buffer[] = []
  for (const { metadata } of members) {
    const member = boundColumn(metadata)
    if (member === column) {
      all.push(own)
      continue
    }
    const value = row.valueOf(metadata.databaseName)
    if (value === null) return null
    const opened = member && (await openedNow(member, value, (name) => row.valueOf(name)))
    if (!opened) return undefined
    all.push(opened)
  }
  return all
}

async function openedNow(member: BoundColumn, value: unknown, row: RowValues): Promise<Buffer | undefined> {
  try {
    const stored = member.storedIfDelivered(value)
    return stored === undefined
      ? undefined
      : await member.opener.open(stored, member.recipeOfStored(row).scopes)
  } catch (error) {
    if (error instanceof KmsEncryptionError && error.kind === 'value') return undefined
    throw error
  }
}

/** What goes into the columns: what cannot be told stays as it is. */
export function indexesToStore(
  { beside = [] }: ColumnRow,
  made: readonly (IndexValue | null | undefined)[],
): (IndexValue | null)[] {
  return made.map((each, at) => (each === undefined ? (beside[at] ?? null) : each))
}

/** True if no index is left out. */
export function isFilled({ indexes }: BoundColumn, row: ColumnRow): boolean {
  const { beside = [] } = row
  return indexes.every(
    ({ members: [, ...others] }, at) =>
      beside[at] !== null || others.some(({ metadata }) => row.valueOf(metadata.databaseName) === null),
  )
}

/**
 * Indexes that no value has. The row of a forgotten value gets such: they are equal to no others, so that they tell
 * nothing, and NULL would say that the index was never filled.
 */
export function indexesOfNothing(indexes: readonly BlindIndex[]): IndexValue[] {
  return indexes.map((index) => index.stored(randomBytes(INDEX_LENGTH)))
}

/** The first index that the row has not got, or has another one of. */
export function wrongIndex(
  { indexes }: BoundColumn,
  { beside = [] }: ColumnRow,
  expected: readonly (IndexValue | null | undefined)[],
): { index: BlindIndex; isMissing: boolean } | undefined {
  for (const [at, index] of indexes.entries()) {
    const now = beside[at] ?? undefined
    const wanted = expected[at]
    if (wanted === undefined || (wanted === null && now === undefined)) continue
    if (wanted !== null && isSame(wanted, now)) continue
    return { index, isMissing: now === undefined }
  }
  return undefined
}
