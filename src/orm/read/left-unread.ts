import { canBeLeft } from './left-rows'
import { fetchPageKeys } from './page-keys'
import { type EncryptedResult, type Row } from './result-columns'

/** Says whose values are looked at before anybody gets them. */
interface Concerns {
  concerns(name: string): boolean
}

/**
 * Leaves the values that are opened when they are read (`open: 'on-read'`) to that, where their data keys are at hand or
 * few enough to be fetched. `open` opens all others.
 */
export function leaveUnread(
  columns: readonly EncryptedResult[],
  rows: readonly Row[],
  inspector: Concerns | undefined,
  open: (columns: readonly EncryptedResult[]) => Promise<unknown> | undefined,
): Promise<unknown> | undefined {
  const unread = unreadColumns(columns, inspector)
  if (unread.length === 0) return open(columns)
  const leave = (): readonly EncryptedResult[] => unread.filter((column) => canBeLeft(column, rows))
  const openOthers = (left: readonly EncryptedResult[]): Promise<unknown> | undefined =>
    open(columns.filter((column) => !left.includes(column)))
  const left = leave()
  // Trouble with KMS shows where the others are opened.
  const fetching = left.length < unread.length ? fetchPageKeys(unread, rows) : undefined
  return fetching ? fetching.then(() => openOthers(leave())) : openOthers(left)
}

/** Those of a result whose values may stay unread: nobody looks at them before. */
export function unreadColumns(
  columns: readonly EncryptedResult[],
  inspector: Concerns | undefined,
): readonly EncryptedResult[] {
  return columns.filter(({ column, name }) => column.opensOnRead && inspector?.concerns(name) !== true)
}
