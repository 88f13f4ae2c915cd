import { rowOfParameter, type SentStatement } from './parameter-rows'
import { IndexedValue } from '../search/indexed'
import { type SealedAhead } from './sealed-ahead'
import { ComparisonToken, PendingCiphertext, PendingPlaintext } from './tokens'

/** True if there are values to encrypt. Throws for a value of an encrypted column in a search. */
export function hasPending(parameters: unknown): parameters is unknown[] {
  if (!Array.isArray(parameters)) return false
  let pending = false
  for (const value of parameters as unknown[]) {
    if (typeof value !== 'object' || value === null) continue
    if (value instanceof ComparisonToken || value instanceof IndexedValue) throw value.refusal()
    if (value instanceof PendingCiphertext) pending = true
    else hasPending(value)
  }
  return pending
}

/**
 * `found`: what is known of the row besides. At once, if the data keys are at hand: TypeORM sends a statement per row, so
 * each step here counts. A value is sealed as soon as its data key is there: of many, the first may have left the
 * memory when the last one comes.
 */
export function sealAll(
  parameters: readonly unknown[],
  sent: () => SentStatement,
  ahead: SealedAhead,
  found?: (column: string, parameter: number) => unknown,
): unknown[] | Promise<unknown[]> {
  const sealed = [...parameters]
  let waiting: Promise<unknown>[] | undefined
  for (let index = 0; index < sealed.length; index++) {
    const value = sealed[index]
    if (!(value instanceof PendingCiphertext)) continue
    if (value instanceof PendingPlaintext) {
      sealed[index] = value.parameter
      continue
    }
    const { recipes } = value.column
    const recipe =
      recipes.constant ?? recipes.of(rowOfParameter(sent(), index, found && ((name) => found(name, index))))
    const stored = value.encrypt(recipe, ahead)
    if (stored instanceof Promise) {
      const storing = stored.then((bytes) => (sealed[index] = bytes))
      // Another value may be refused before it is waited for.
      storing.catch(() => undefined)
      ;(waiting ??= []).push(storing)
    } else sealed[index] = stored
  }
  return waiting ? Promise.all(waiting).then(() => sealed) : sealed
}
