import { randomBytes } from 'node:crypto'
import { INDEX_LENGTH } from '../../cipher/blind-index'
import { type ColumnRow } from '../../dialects/rows/column-rows'
import { isSame } from '../../dialects/rows/is-same'
import { type BoundColumn } from '../../orm/bound-column'
import { type RowRecipe } from '../../orm/recipe'
import { type BlindIndex } from '../../orm/search/blind-index'
import { valueUnder } from '../../orm/search/index-of-row'
import { type IndexValue } from '../../orm/search/keyed-index'

/** What the row ought to have in the columns of its blind indexes. */
export async function rowIndexes(
  { indexes }: BoundColumn,
  recipe: RowRecipe,
  plaintext: Buffer,
): Promise<IndexValue[]> {
  const made: IndexValue[] = []
  for (const index of indexes) made.push(await valueUnder(index, recipe, [plaintext]))
  return made
}

/**
 * Indexes that no value has. The row of a forgotten value gets such: they are equal to no others, so that they tell
 * nothing, and NULL would say that the index was never filled.
 */
export function indexesOfNothing({ indexes }: BoundColumn): IndexValue[] {
  return indexes.map((index) => index.stored(randomBytes(INDEX_LENGTH)))
}

/** The first index that the row has not got, or has another one of. */
export function wrongIndex(
  { indexes }: BoundColumn,
  { beside = [] }: ColumnRow,
  expected: readonly IndexValue[],
): { index: BlindIndex; isMissing: boolean } | undefined {
  for (const [at, index] of indexes.entries()) {
    const now = beside[at] ?? undefined
    if (isSame(expected[at] ?? '', now)) continue
    return { index, isMissing: now === undefined }
  }
  return undefined
}
