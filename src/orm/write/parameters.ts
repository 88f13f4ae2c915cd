import { type RowRecipe } from '../recipe'
import { rowOfParameter, type SentStatement } from './parameter-rows'
import { IndexedValue } from '../search/indexed'
import { type SealedAhead } from './sealed-ahead'
import { ComparisonToken, PendingCiphertext, PendingPlaintext } from './tokens'

/** True if there are values to encrypt. Throws for a value of an encrypted column in a search. */
export function hasPending(parameters: unknown): parameters is unknown[] {
  if (!Array.isArray(parameters)) return false
  let pending = false
  for (const value of parameters as unknown[]) {
    if (value instanceof ComparisonToken || value instanceof IndexedValue) throw value.refusal()
    if (value instanceof PendingCiphertext) pending = true
    else if (Array.isArray(value)) hasPending(value)
  }
  return pending
}

/** `found`: what is known of the row besides. At once, if the data keys are at hand: TypeORM sends a statement per row, so each step here counts. */
export function sealAll(
  parameters: readonly unknown[],
  sent: () => SentStatement,
  ahead: SealedAhead,
  found?: (column: string, parameter: number) => unknown,
): unknown[] | Promise<unknown[]> {
  const recipes: (RowRecipe | undefined)[] = []
  const waiting: Promise<unknown>[] = []
  let prepared: RowRecipe | undefined
  for (let index = 0; index < parameters.length; index++) {
    const value = parameters[index]
    if (!(value instanceof PendingCiphertext) || value instanceof PendingPlaintext) continue
    const { column } = value
    const recipe =
      column.recipes.constant ??
      column.recipes.of(rowOfParameter(sent(), index, found && ((name) => found(name, index))))
    recipes[index] = recipe
    const preparation = recipe === prepared ? undefined : column.prepare(recipe)
    if (preparation) waiting.push(preparation)
    prepared = recipe
  }
  return waiting.length > 0
    ? Promise.all(waiting).then(() => sealNow(parameters, recipes, ahead))
    : sealNow(parameters, recipes, ahead)
}

function sealNow(
  parameters: readonly unknown[],
  recipes: readonly (RowRecipe | undefined)[],
  ahead: SealedAhead,
): unknown[] | Promise<unknown[]> {
  const sealed = [...parameters]
  const waiting: Promise<unknown>[] = []
  for (let index = 0; index < sealed.length; index++) {
    const value = sealed[index]
    const recipe = recipes[index]
    if (!recipe) {
      if (value instanceof PendingPlaintext) sealed[index] = value.parameter
      continue
    }
    if (!(value instanceof PendingCiphertext)) continue
    const stored = value.encrypt(recipe, ahead)
    if (stored instanceof Promise) waiting.push(stored.then((bytes) => (sealed[index] = bytes)))
    else sealed[index] = stored
  }
  return waiting.length > 0 ? Promise.all(waiting).then(() => sealed) : sealed
}
