import { InvalidValueError, SearchRefusedError } from '../../errors'
import { type EncryptedColumn } from '../encrypted-column'
import { ComparisonToken, KeptCiphertext, PendingCiphertext } from '../write/tokens'
import { type Condition } from '../statement/statement'
import { type BlindIndex } from './blind-index'
import { type Completeness, type Looker } from './completeness'
import { IndexedValue } from './indexed'
import { type KeyedIndex } from './keyed-index'
import { PendingIndex } from './pending-index'
import { type Searched, type SearchPlan } from './search-plan'

/** A statement as if the application had written it with the indexes. */
export interface Answered {
  readonly sql: string
  readonly parameters: readonly unknown[]
  /** What is searched, by the number of the parameter in the original. */
  readonly searched: ReadonlyMap<number, unknown>
}

/** What a statement searches for, under the keys that it says. Throws `RowUnknownError`, `SearchRefusedError`. */
function searchedIn({ searched }: SearchPlan, sql: string, given: unknown): SearchedUnder[] {
  const parameters = Array.isArray(given) ? (given as readonly unknown[]) : []
  return searched.map((each) => {
    const row = (name: string): unknown => {
      const said = each.keyedBy.get(name)
      return said && onlyValue(each.index, name, valuesOf(said, sql, parameters))
    }
    return { ...each, keyed: each.index.of(row) }
  })
}

interface SearchedUnder extends Searched {
  readonly keyed: KeyedIndex
}

function valuesOf(
  { placeholders, integers }: Pick<Condition, 'placeholders' | 'integers'>,
  sql: string,
  parameters: readonly unknown[],
): unknown[] {
  return [...placeholders.flatMap((each) => parameters[each]), ...integers.map((span) => sql.slice(...span))]
}

function onlyValue({ column, keyedBy }: BlindIndex, name: string, [first, ...others]: unknown[]): unknown {
  const keyed = keyedBy.find((each) => each.column.name === name)?.column
  if (others.every((each) => each === first || keyed?.textOf(each) === keyed?.textOf(first))) return first
  throw column.error(
    SearchRefusedError,
    `the blind index of the column has a key for each ${keyed?.property ?? name}, and the search allows several of them: search one after the other.`,
  )
}

/**
 * Sees to it that a statement can be sent: its index keys are there, and what it searches is complete. Keys that depend
 * on the row that is written come with its data key.
 */
export function prepareSearch(
  plan: SearchPlan,
  sql: string,
  parameters: unknown,
  completeness: Completeness,
  looker: Looker,
): Promise<unknown> | undefined {
  const searched = searchedIn(plan, sql, parameters)
  const written = [...plan.written].flatMap(({ constant }) => constant ?? [])
  const keys = [...new Set([...searched.map(({ keyed }) => keyed), ...written])]
    .map((index) => index.prepare())
    .filter((each) => each !== undefined)
  const answering = [...plan.answering].filter((index) => !completeness.has(index, looker))
  if (keys.length === 0 && answering.length === 0) return undefined
  return Promise.all(keys).then(async () => {
    for (const index of answering) await completeness.check(index, looker)
  })
}

/** The parameters that are not searched: what is searched is answered, and needs no other look. */
export function withoutSearched({ searched }: SearchPlan, parameters: unknown): unknown {
  if (!Array.isArray(parameters) || searched.length === 0) return parameters
  const others = [...(parameters as unknown[])]
  for (const { parameter } of searched) others[parameter] = null
  return others
}

/** Rewrites a statement with the indexes of its parameters. Their keys must be there. */
export function answer(plan: SearchPlan, sql: string, given: unknown): Answered {
  const parameters = Array.isArray(given) ? (given as readonly unknown[]) : []
  const replaced = [...parameters]
  const searched = new Map<number, unknown>()
  for (const { parameter, index, keyed, mayBeList } of searchedIn(plan, sql, given)) {
    replaced[parameter] = searchedIndex(parameters[parameter], index, keyed, mayBeList)
    searched.set(parameter, replaced[parameter])
  }
  const written = plan.parameters.added.map(({ from, index }) => writtenIndex(parameters[from], index))
  return { sql: plan.rewrite(sql), parameters: plan.parameters.place(replaced, written), searched }
}

function searchedIndex(value: unknown, index: BlindIndex, keyed: KeyedIndex, mayBeList: boolean): unknown {
  const again = (each: unknown): unknown => searchedIndex(each, index, keyed, false)
  if (value === null || value === undefined) return value
  if (mayBeList && Array.isArray(value)) return value.map(again)
  const named = IndexedValue.of(value)
  if (named) return keyed.indexOf(named.value)
  if (value instanceof ComparisonToken) {
    if (mayBeList && value.list) return value.list.map(again)
    if (!isOf(value.column, index)) throw value.refusal()
    return value.indexed((plaintext) => keyed.valueOf(plaintext))
  }
  return keyed.indexOf(value)
}

function writtenIndex(value: unknown, index: BlindIndex): unknown {
  if (value === null || value === undefined) return null
  if (value instanceof PendingCiphertext && !(value instanceof KeptCiphertext) && isOf(value.column, index))
    return value.indexed((plaintext) =>
      index.constant ? index.constant.valueOf(plaintext) : new PendingIndex(index, plaintext),
    )
  throw index.column.error(
    InvalidValueError,
    'a ciphertext cannot be stored in a column with a blind index: the index is made of the value. Store the value itself, or both columns with dataSource.query() and encryption.encryptAll().',
  )
}

function isOf(column: EncryptedColumn, index: BlindIndex): boolean {
  return column.cell === index.column.cell
}
