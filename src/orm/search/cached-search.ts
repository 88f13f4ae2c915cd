import { KmsEncryptionError } from '../../errors'
import { INDEXED, NOT_INDEXED } from '../write/tokens'
import { type BlindIndex } from './blind-index'
import { type Searched, type SearchPlan } from './search-plan'
import { type Answered, type Hashes } from './hashes'

/** Types whose values JSON gives back as they were. */
const KEPT_BY_JSON: ReadonlySet<string> = new Set(['string', 'number', 'boolean'])

/** The parameters of a cached query, in which nothing shows what was searched; `undefined` if that cannot be said yet. */
export function namedParameters(
  { searched }: SearchPlan,
  parameters: readonly unknown[],
): unknown[] | undefined {
  if (searched.some(({ index }) => index.constant?.isReady !== true)) return undefined
  const named = [...parameters]
  for (const { parameter, index } of searched) {
    const text = JSON.stringify(parameters[parameter] ?? null)
    if (text.includes(NOT_INDEXED)) return undefined
    named[parameter] = text.startsWith(`"${INDEXED}`)
      ? `index:${text.slice(INDEXED.length + 1, -1)}`
      : index.constant?.nameOf(text)
  }
  return named
}

/**
 * What a cached query searched, by the parameters in its key before they were named: the rows in the cache are
 * compared with it, as anybody may have written them. `undefined` where it cannot be told.
 */
export function searchedIn(
  { searched }: SearchPlan,
  parameters: readonly unknown[],
): Answered['searched'] | undefined {
  const found = new Map<Searched, Hashes>()
  for (const each of searched) {
    const hashes = [parameters[each.parameter]].flat().map((value) => hashOf(each.index, value))
    if (hashes.includes(undefined) || each.index.isCompound) return undefined
    found.set(each, hashes)
  }
  return found
}

function hashOf({ constant, column }: BlindIndex, value: unknown): Hashes {
  if (value === null) return null
  if (typeof value === 'string' && value.startsWith(INDEXED)) {
    return Buffer.from(value.slice(INDEXED.length), 'hex')
  }
  if (!constant || !KEPT_BY_JSON.has(column.scheme.type.name)) return undefined
  try {
    return constant.hashOfSearched(value)
  } catch (error) {
    if (error instanceof KmsEncryptionError) return undefined
    throw error
  }
}
