import { SearchRefusedError } from '../../errors'
import { type Plaintext } from '../../column/types'
import { type Stored } from '../read/value-opener'
import { type Condition } from '../statement/statement'
import { ComparisonToken } from '../write/tokens'
import { type BlindIndex } from './blind-index'
import { type Completeness, type Looker } from './completeness'
import { GivenValue } from './given-value'
import { type Answered, type Hashes } from './hashes'
import { IndexedValue } from './indexed'
import { type KeyedIndex } from './keyed-index'
import { Insertions } from './insertions'
import { type MergedRows } from './merged-rows'
import { type Matches, matchesOf, narrow } from './narrowed-rows'
import { PendingIndex } from './pending-index'
import { type Searched } from './plan-draft'
import { type SearchPlan } from './search-plan'
import { isOf, writtenPlaintext } from './written-plaintext'

/** The index that a statement searches, under the key that it says. Throws `RowUnknownError`, `SearchRefusedError`. */
function keyedFor({ index, keyedBy }: Searched, sql: string, parameters: readonly unknown[]): KeyedIndex {
  if (index.constant) return index.constant
  return index.of((name) => {
    const said = keyedBy.get(name)
    return said && onlyValue(index, name, valuesOf(said, sql, parameters))
  })
}

function valuesOf(
  { placeholders, arrays, integers }: Omit<Condition, 'source'>,
  sql: string,
  parameters: readonly unknown[],
): unknown[] {
  const given = placeholders.flatMap((each) => {
    const value = parameters[each]
    return arrays.includes(each) && !Array.isArray(value) ? [undefined] : value
  })
  return [...given, ...integers.map((span) => sql.slice(...span))]
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
 * on the row that is written come with its data key. Gives the rows that few bits have to be narrowed to.
 */
export function prepareSearch(
  plan: SearchPlan,
  sql: string,
  given: unknown,
  completeness: Completeness,
  looker: Looker,
): Promise<Matches | undefined> | undefined {
  const parameters = listOf(given)
  const keys = keysFor(plan, sql, parameters)
  const answering: BlindIndex[] = []
  for (const index of plan.answering) if (!completeness.has(index, looker)) answering.push(index)
  if (keys.length === 0 && answering.length === 0 && plan.narrowed.length === 0) return undefined
  return Promise.all(keys).then(async () => {
    for (const index of answering) await completeness.check(index, looker)
    if (plan.narrowed.length === 0) return undefined
    const hashes = hashesOf(plan, sql, parameters)
    const matches = new Map<SearchPlan['narrowed'][number], readonly Stored[]>()
    for (const each of plan.narrowed) {
      const [first] = each.searched
      if (!first) continue
      const keyed = keyedFor(first, sql, parameters)
      matches.set(each, await matchesOf(each, keyed, hashes, plan.language, looker))
    }
    return matches
  })
}

/** Fetches the keys that are not at hand. This runs for each statement: mostly they are. */
function keysFor(plan: SearchPlan, sql: string, parameters: readonly unknown[]): Promise<unknown>[] {
  const keys: Promise<unknown>[] = []
  let last: KeyedIndex | undefined
  const prepare = (keyed: KeyedIndex | undefined): void => {
    if (keyed === last) return
    last = keyed
    const preparing = keyed?.prepare()
    if (preparing) keys.push(preparing)
  }
  for (const each of plan.searched) prepare(keyedFor(each, sql, parameters))
  for (const { constant } of plan.written) prepare(constant)
  return keys
}

/** The parameters that are not searched: what is searched is answered, and needs no other look. */
export function withoutSearched({ searched }: SearchPlan, parameters: unknown): unknown {
  if (!Array.isArray(parameters) || searched.length === 0) return parameters
  const others = [...(parameters as unknown[])]
  for (const { parameter, isAdded } of searched) if (!isAdded) others[parameter] = null
  return others
}

/** What is found out before a statement is sent. */
export interface Found {
  /** Of searches by few bits. */
  readonly matches?: Matches | undefined
  /** Of updates of some of the columns of an index. */
  readonly merged?: readonly MergedRows[]
}

/** Rewrites a statement with the indexes of its parameters. Their keys must be there. */
export function answer(
  plan: SearchPlan,
  sql: string,
  given: unknown,
  { matches = new Map<never, never>(), merged = [] }: Found = {},
): Answered {
  const parameters = listOf(given)
  const searched = hashesOf(plan, sql, parameters)
  const replaced = [...parameters]
  for (const [{ parameter, index, isAdded }, hashes] of searched)
    if (!isAdded) replaced[parameter] = storedHashes(index, hashes)
  const added = plan.parameters.made((each) =>
    each.kind === 'searched'
      ? storedHashes(each.searched.index, searched.get(each.searched))
      : writtenIndex(parameters, each.parameters, each.index),
  )
  const insertions = new Insertions(plan)
  for (const each of merged) each.assign(insertions)
  narrow(insertions, sql, matches)
  for (const each of merged) each.restrict(insertions, parameters.length - 1)
  const { edits, inserted } = insertions
  return {
    sql: plan.rewrite(sql, edits),
    parameters: plan.parameters.place(replaced, added, inserted),
    searched,
  }
}

function hashesOf(plan: SearchPlan, sql: string, parameters: readonly unknown[]): Map<Searched, Hashes> {
  const hashes = new Map<Searched, Hashes>()
  for (const each of plan.searched) {
    const { index, mayBeList } = each
    const keyed = keyedFor(each, sql, parameters)
    const given = (member: number): unknown => {
      const { scheme } = index.members[member] ?? index.column
      const parameter = parameters[each.parameters[member] ?? -1]
      return parameter instanceof GivenValue
        ? parameter.value
        : plan.language.givenValue(scheme.type.name, parameter)
    }
    const hash =
      each.parameters.length > 1
        ? togetherHash(
            each.parameters.map((_, member) => given(member)),
            index,
            keyed,
          )
        : hashed(given(0), index, keyed, mayBeList)
    hashes.set(each, hash)
  }
  return hashes
}

function hashed(value: unknown, index: BlindIndex, keyed: KeyedIndex, mayBeList: boolean): Hashes {
  const again = (each: unknown): Hashes => hashed(each, index, keyed, false)
  if (value === null || value === undefined) return value
  if (mayBeList && Array.isArray(value)) return value.map(again)
  const named = IndexedValue.of(value)
  if (named) return keyed.hashOfSearched(named.value)
  if (value instanceof ComparisonToken) {
    if (mayBeList && value.list) return value.list.map(again)
    if (!isOf(value.column, index.column)) throw value.refusal()
    return value.hashBy(keyed)
  }
  return keyed.hashOfSearched(value)
}

/** Of values that are given one by one. */
function togetherHash(values: readonly unknown[], index: BlindIndex, keyed: KeyedIndex): Hashes {
  if (values.some((value) => value === null || value === undefined)) return null
  const plaintexts = index.members.map((member, at): Plaintext => {
    const value = values[at]
    if (!(value instanceof ComparisonToken)) return member.serialise(value)
    if (!isOf(value.column, member)) throw value.refusal()
    return value.indexed((plaintext) => plaintext)
  })
  return keyed.hashOf(index.joined(plaintexts))
}

function storedHashes(index: BlindIndex, hashes: Hashes): unknown {
  if (Buffer.isBuffer(hashes)) return index.stored(hashes)
  return Array.isArray(hashes) ? hashes.map((each: Hashes) => storedHashes(index, each)) : hashes
}

/** This runs for each row. */
function writtenIndex(
  parameters: readonly unknown[],
  numbers: readonly number[],
  index: BlindIndex,
): unknown {
  for (const each of numbers) if (parameters[each] === null || parameters[each] === undefined) return null
  const plaintexts = numbers.map((each, member) => writtenPlaintext(parameters[each], index, member))
  const joined = index.joined(plaintexts)
  return index.constant ? index.constant.valueOf(joined) : new PendingIndex(index, joined)
}

function listOf(parameters: unknown): readonly unknown[] {
  return Array.isArray(parameters) ? (parameters as readonly unknown[]) : []
}
