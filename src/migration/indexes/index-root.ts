import { IndexRoot } from '../../cipher/blind-index/index-root'
import { type BoundColumn } from '../../orm/bound-column'

/** The index key in the options that blind indexes of columns are made with, and those columns. */
export interface UsedIndexRoot {
  readonly root: IndexRoot
  readonly columns: readonly [BoundColumn, ...BoundColumn[]]
}

/** `undefined` where no column has an index, or the key table keeps the roots. */
export function usedIndexRoot(columns: readonly BoundColumn[]): UsedIndexRoot | undefined {
  const [first, ...others] = columns.filter((column) => rootOf(column) !== undefined)
  const root = first && rootOf(first)
  return first && root && { root, columns: [first, ...others] }
}

function rootOf({ indexes: [index] }: BoundColumn): IndexRoot | undefined {
  return index?.given instanceof IndexRoot ? index.given : undefined
}
