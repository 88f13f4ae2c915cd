import { AlteredValueError } from '../../errors'
import { type ColumnLayout } from '../column-layout'
import { type Change, type ColumnRow } from './column-rows'
import { isSame } from './is-same'

/**
 * Compares what the database stored with what it was sent. A trigger, a rule, a character set or a mode that is not
 * strict may have made something else of it: a ciphertext that can never be opened.
 */
export async function checkStored(
  layout: ColumnLayout,
  changes: readonly Change[],
  stored: readonly ColumnRow[],
  triggers: () => Promise<readonly string[]> | readonly string[],
): Promise<void> {
  const altered = findAltered(changes, stored)
  if (altered) throw alteredError(layout, altered, await triggers())
}

/** The first change that is not stored as it was sent. */
export function findAltered(changes: readonly Change[], stored: readonly ColumnRow[]): Change | undefined {
  const byId = new Map(stored.map((row) => [row.id, row]))
  return changes.find(({ row, value, beside = [] }) => {
    const now = byId.get(row.id)
    const isIndexed = beside.every((index, at) => {
      const found = now?.beside?.[at] ?? undefined
      return index === null ? found === undefined : isSame(index, found)
    })
    return !isSame(value, now?.stored) || !isIndexed
  })
}

export function alteredError(
  layout: ColumnLayout,
  { row }: Change,
  triggers: readonly string[],
): AlteredValueError {
  const cause =
    triggers.length > 0
      ? `The table has ${triggers.length === 1 ? 'the trigger' : 'the triggers'} ${triggers.join(', ')}: have ${triggers.length === 1 ? 'it' : 'them'} leave the column alone`
      : `Nothing of the table says why: look at the type of the column (${layout.type}), its character set and the rules of the database`
  return new AlteredValueError(
    `the database stored something else than it was sent in the column ${layout.name}, which could never be read again. The batch was rolled back. ${cause}, and run the same again.`,
    { ...layout.place, primaryKey: row.primaryKey() },
  )
}
