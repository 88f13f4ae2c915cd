import { type DataSource } from 'typeorm'
import { type StoredDataKey } from '../../cipher/data-keys/store'
import { DataKeyMissingError, KeyTableMissingError } from '../../errors'
import { dataKeyIdOf, type ValueStart } from '../value-starts'
import { KeyTableRows } from './key-table-rows'

/** What became of a data key that values name. */
export type NamedDataKey =
  | { readonly state: 'there'; readonly row: StoredDataKey }
  /** It was destroyed on purpose. */
  | { readonly state: 'forgotten'; readonly row: StoredDataKey }
  /** The key table does not have it, or there is no such table. */
  | { readonly state: 'missing' }

/** The data keys that values name, by their id in hexadecimal. Throws `KeyTableUnavailableError`, and `RowsHiddenError` where one may be hidden. */
export async function namedDataKeys(
  dataSource: DataSource,
  starts: readonly ValueStart[],
): Promise<ReadonlyMap<string, NamedDataKey>> {
  const ids = namesOf(starts)
  if (ids.size === 0) return new Map()
  const rows = new Map(
    (await find(dataSource, [...ids.values()])).map((row) => [row.id.toString('hex'), row]),
  )
  return new Map(
    Array.from(ids.keys(), (name) => {
      const row = rows.get(name)
      return [name, row ? namedAs(row) : { state: 'missing' }]
    }),
  )
}

/** The ids of data keys that values name, by their hexadecimal. */
export function namesOf(starts: readonly ValueStart[]): ReadonlyMap<string, Buffer> {
  return new Map(
    starts.flatMap((start) => {
      const id = dataKeyIdOf(start)
      return id ? [[id.toString('hex'), id] as const] : []
    }),
  )
}

async function find(dataSource: DataSource, ids: readonly Buffer[]): Promise<StoredDataKey[]> {
  try {
    const rows = new KeyTableRows(dataSource)
    const found = await rows.find(ids)
    // A row that is hidden is not one that is missing.
    if (found.length < ids.length) await rows.requireAll()
    return found
  } catch (error) {
    // Where data keys are inline, there need not be a table.
    if (error instanceof KeyTableMissingError || error instanceof DataKeyMissingError) return []
    throw error
  }
}

/** What became of the data key of a row. */
export function namedAs(row: StoredDataKey): NamedDataKey {
  return { state: row.destroyedAt || !row.encrypted ? 'forgotten' : 'there', row }
}
