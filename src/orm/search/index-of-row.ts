import { KmsEncryptionError } from '../../errors'
import { type BoundColumn } from '../bound-column'
import { type RowValues } from '../recipe'
import { type BlindIndex } from './blind-index'
import { type IndexValue } from './keyed-index'

/**
 * The index that a row ought to have, by its value as the driver delivered it: `null` without a value, `undefined` for
 * a value that does not open. Throws trouble of KMS, which says nothing about the row.
 */
export async function indexOfRow(
  index: BlindIndex,
  column: BoundColumn,
  value: unknown,
  row: RowValues,
): Promise<IndexValue | null | undefined> {
  if (value === null || value === undefined) return null
  try {
    const stored = column.storedIfDelivered(value)
    if (stored === undefined) return undefined
    const { scope, scopes } = column.recipes.constant ?? column.recipes.of(row)
    const plaintext = await column.opener.open(stored, scopes)
    const keyed = index.under(scope.context)
    await keyed.prepare()
    return keyed.valueOf(index.canonical(plaintext))
  } catch (error) {
    if (error instanceof KmsEncryptionError && error.kind !== 'service') return undefined
    throw error
  }
}

/** An index as text, to compare it: drivers deliver bytes as they like. */
export function textOf(index: unknown): string {
  return index instanceof Uint8Array ? Buffer.from(index).toString('hex') : String(index)
}
