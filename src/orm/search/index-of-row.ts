import { KmsEncryptionError } from '../../errors'
import { boundColumn } from '../bound-columns'
import { type RowRecipe, type RowValues } from '../recipe'
import { type BlindIndex } from './blind-index'
import { type IndexValue } from './keyed-index'

/** The columns that the index of a row is made of: those of its values, and what these are opened by. */
export function columnsOfIndex({ members }: BlindIndex): string[] {
  const all = members.flatMap(({ metadata }) => {
    const opensBy = boundColumn(metadata)?.recipes.opensBy ?? []
    return [metadata.databaseName, ...opensBy.map(({ name }) => name)]
  })
  return [...new Set(all)]
}

/**
 * The index that a row ought to have, by its values as the driver delivered them: `null` without a value, `undefined`
 * for values that do not open. Throws trouble of KMS, which says nothing about the row.
 */
export async function indexOfRow(index: BlindIndex, row: RowValues): Promise<IndexValue | null | undefined> {
  const plaintexts: Buffer[] = []
  try {
    let under: RowRecipe | undefined
    for (const { metadata } of index.members) {
      const value = row(metadata.databaseName)
      if (value === null || value === undefined) return null
      const column = boundColumn(metadata)
      const stored = column?.storedIfDelivered(value)
      if (!column || stored === undefined) return undefined
      const recipe: RowRecipe = column.recipes.constant ?? column.recipes.of(row)
      under ??= recipe
      plaintexts.push(await column.opener.open(stored, recipe.scopes))
    }
    return under && (await valueUnder(index, under, plaintexts))
  } catch (error) {
    if (error instanceof KmsEncryptionError && error.kind !== 'service') return undefined
    throw error
  }
}

/** What the column of an index ought to have for the opened values of a row, one for each member. */
export async function valueUnder(
  index: BlindIndex,
  { scope }: RowRecipe,
  plaintexts: readonly Buffer[],
): Promise<IndexValue> {
  const keyed = index.under(scope.context)
  await keyed.prepare()
  return keyed.valueOf(index.hashed(plaintexts))
}

/** An index as text, to compare it: drivers deliver bytes as they like. */
export function textOf(index: unknown): string {
  return index instanceof Uint8Array ? Buffer.from(index).toString('hex') : String(index)
}
