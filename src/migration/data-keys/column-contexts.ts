import { type EncryptionContext } from '../../cipher/context'
import { contextHash, type StoredDataKey } from '../../cipher/data-keys/store'
import { type BoundColumn } from '../../orm/bound-column'
import { type RowContext } from '../../orm/recipe'

/** The contexts that values of a column may be encrypted under, by one of its settings. */
export interface ColumnContext extends RowContext {
  readonly column: BoundColumn
}

/** The contexts of columns: the current one of each, and those of `previous` settings. */
export function contextsOf(columns: readonly BoundColumn[]): ColumnContext[] {
  return columns.flatMap((column) => column.recipes.contexts.map((context) => ({ column, ...context })))
}

/** A row of the key table, under the context that the settings of columns give it. */
export interface OwnDataKey {
  readonly row: StoredDataKey
  readonly context: EncryptionContext
  /** The first of the columns that have the context. */
  readonly column: BoundColumn
}

/**
 * The rows whose contexts are those of columns. Of what stands in a row nothing is passed on but the values that rows of
 * the application may have, and only if the whole is what the row was found by; the rest is what the settings say.
 */
export function ownDataKeys(
  rows: readonly StoredDataKey[],
  contexts: readonly ColumnContext[],
): OwnDataKey[] {
  return rows.flatMap((row) => {
    for (const each of contexts) {
      const context = contextOfRow(row, each)
      if (context) return [{ row, context, column: each.column }]
    }
    return []
  })
}

function contextOfRow(row: StoredDataKey, { fixed, perRow }: ColumnContext): EncryptionContext | undefined {
  const said = parsed(row.context)
  const values = perRow.map(({ name }) => [name, said[name]] as const)
  if (!values.every((pair): pair is [string, string] => typeof pair[1] === 'string')) return undefined
  const context = { ...fixed, ...Object.fromEntries(values) }
  return contextHash(context).equals(row.contextHash) ? context : undefined
}

function parsed(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text ?? '{}')
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** True if a context has all of these pairs. */
export function hasPairs(context: EncryptionContext, pairs: EncryptionContext): boolean {
  return Object.entries(pairs).every(([name, value]) => context[name] === value)
}
