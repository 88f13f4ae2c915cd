import { IndexWrongError, InvalidValueError, KmsEncryptionError, SearchIncompleteError } from '../../errors'
import { type EncryptedColumn } from '../encrypted-column'
import { ComparisonToken, INDEXED, KeptCiphertext, NOT_INDEXED, PendingCiphertext } from '../write/tokens'
import { type BlindIndex } from './blind-index'
import { type Completeness } from './completeness'
import { type Check, type SearchPlan } from './search-plan'

type Query = (sql: string, parameters?: unknown[]) => Promise<unknown>
type Row = Record<string, unknown>

/** A statement as if the application had written it with the indexes. */
export interface Answered {
  readonly sql: string
  readonly parameters: readonly unknown[]
  /** What is searched, by the number of the parameter in the original. */
  readonly searched: ReadonlyMap<number, unknown>
}

/** Sees to it that a statement can be sent: its index keys are there, and what it searches is complete. */
export function prepareSearch(
  { indexes, searched }: SearchPlan,
  completeness: Completeness,
  query: Query,
): Promise<unknown> | undefined {
  const keys = [...indexes].map((index) => index.prepare()).filter((each) => each !== undefined)
  const answering = [...new Set(searched.map(({ index }) => index))].filter(
    (index) => !completeness.has(index),
  )
  if (keys.length === 0 && answering.length === 0) return undefined
  return Promise.all(keys).then(async () => {
    for (const index of answering) {
      if (await completeness.check(index, query)) continue
      throw index.column.error(
        SearchIncompleteError,
        'rows of the table have a value and no index yet, so that a search would miss them. Write their values again; until then, declare the index with filling: true. See docs/search.md.',
      )
    }
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
  for (const { parameter, index, mayBeList } of plan.searched) {
    replaced[parameter] = searchedIndex(parameters[parameter], index, mayBeList)
    searched.set(parameter, replaced[parameter])
  }
  const written = plan.parameters.added.map(({ from, index }) => writtenIndex(parameters[from], index))
  return { sql: plan.rewrite(sql), parameters: plan.parameters.place(replaced, written), searched }
}

function searchedIndex(value: unknown, index: BlindIndex, mayBeList: boolean): unknown {
  if (value === null || value === undefined) return value
  if (mayBeList && Array.isArray(value)) return value.map((each) => searchedIndex(each, index, false))
  if (value instanceof ComparisonToken) {
    if (mayBeList && value.list) return value.list.map((each) => searchedIndex(each, index, false))
    if (!isOf(value.column, index)) throw value.refusal()
    return value.indexed((plaintext) => index.valueOf(plaintext))
  }
  return index.valueOf(index.column.serialise(value))
}

function writtenIndex(value: unknown, index: BlindIndex): unknown {
  if (value === null || value === undefined) return null
  if (value instanceof PendingCiphertext && !(value instanceof KeptCiphertext) && isOf(value.column, index))
    return value.indexed((plaintext) => index.valueOf(plaintext))
  throw index.column.error(
    InvalidValueError,
    'a ciphertext cannot be stored in a column with a blind index: the index is made of the value. Store the value itself, or both columns with dataSource.query() and encryption.encryptAll().',
  )
}

function isOf(column: EncryptedColumn, index: BlindIndex): boolean {
  return column.cell === index.column.cell
}

/** The parameters of a cached query, in which nothing shows what was searched; `undefined` if that cannot be said yet. */
export function namedParameters(
  { searched }: SearchPlan,
  parameters: readonly unknown[],
): unknown[] | undefined {
  if (searched.some(({ index }) => !index.isReady)) return undefined
  const named = [...parameters]
  for (const { parameter, index } of searched) {
    const text = JSON.stringify(parameters[parameter] ?? null)
    if (text.includes(NOT_INDEXED)) return undefined
    named[parameter] = text.startsWith(`"${INDEXED}`) ? parameters[parameter] : index.nameOf(text)
  }
  return named
}

/** Compares the rows with what was searched: the index itself is not authenticated. */
export async function checkRows(
  checks: readonly Check[],
  { searched }: Answered,
  rows: readonly Row[],
): Promise<void> {
  for (const check of checks) {
    const expected = new Set(check.parameters.flatMap((each) => [searched.get(each)].flat()).map(textOf))
    for (const row of rows) {
      const plaintext = await plaintextOf(check, row)
      if (plaintext === undefined) continue
      if (plaintext !== null && expected.has(textOf(check.index.valueOf(plaintext)))) continue
      throw check.column.error(
        IndexWrongError,
        'a row was found by its blind index, and has another value: the index was altered, or is that of another row. No row is returned; find out who writes to the table.',
      )
    }
  }
}

function textOf(index: unknown): string {
  return Buffer.isBuffer(index) ? index.toString('hex') : String(index)
}

/** `undefined` for what does not open: hydration says why. */
async function plaintextOf({ column, name, rowName }: Check, row: Row): Promise<Buffer | null | undefined> {
  const value = row[name]
  if (value === null || value === undefined) return null
  const stored = column.storedIfDelivered(value)
  if (stored === undefined) return undefined
  try {
    const { scopes } = column.recipes.constant ?? column.recipes.of((other) => valueIn(row, rowName(other)))
    return await column.opener.open(stored, scopes)
  } catch (error) {
    if (error instanceof KmsEncryptionError) return undefined
    throw error
  }
}

function valueIn(row: Row, name: string | undefined): unknown {
  return name === undefined ? undefined : row[name]
}
