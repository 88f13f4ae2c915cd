import { parse } from '../cipher/ciphertext'
import { type BoundColumn } from './bound-column'
import { mirrorRefusal } from './mirror'
import { rowRefusal, type UniqueKeys } from './row/row-checks'
import { CannotBeSearched, type SearchLanguage, searchPlan, type SearchPlan } from './search/search-plan'
import { namedIndexes } from './search/indexed'
import { boundColumnsOf, isIndexColumn } from './statement/entity-catalogue'
import {
  indexRefusal,
  isHarmless,
  rawValueRefusal,
  type Refusal,
  refusalOf,
  unreadableRefusal,
} from './statement/refusal'
import { type CatalogueColumn, type Statement } from './statement/statement'
import { type Readings, type Statements } from './statement/statements'
import { KeptCiphertext, PendingCiphertext } from './write/tokens'

/** What is asked of a statement's parameters, or why it must not be sent. */
interface Verdict {
  refusal?: Refusal
  /** How it is sent, if it has to do with blind indexes. */
  search?: SearchPlan | undefined
  /** Parameters that go into an encrypted column: `rows` of them, each `stride` after the one before. */
  stored: Stored[]
}

interface Stored {
  column: BoundColumn
  index: number
  stride: number
  rows: number
  /** True if the value may replace that of a row. */
  isUpdate: boolean
}

const NOTHING: Verdict = { stored: [] }
const NONE: ReadonlyMap<number, string> = new Map()

/**
 * Refuses by default: an encrypted column stands where its ciphertext does not matter, or the statement is not
 * sent. And what goes into one is a ciphertext, whatever came before.
 */
export class StatementGuard {
  readonly #statements: Statements
  readonly #verdicts = new WeakMap<Readings, Map<string, Verdict>>()

  readonly #language: SearchLanguage

  constructor(statements: Statements, language: SearchLanguage) {
    this.#statements = statements
    this.#language = language
  }

  /** Throws for a statement that must not be sent. Returns how it is sent where that is not as it is. */
  check(sql: string, parameters: unknown): SearchPlan | undefined {
    const readings = this.#statements.readings(sql)
    if (!readings) return undefined
    const verdict = this.#verdictOf(sql, readings, parameters)
    if (verdict.refusal) throw verdict.refusal()
    for (const each of verdict.stored) checkStored(each, parameters)
    return verdict.search
  }

  /** Of one text there are several where its parameters ask for named indexes. */
  #verdictOf(sql: string, readings: Readings, parameters: unknown): Verdict {
    let verdicts = this.#verdicts.get(readings)
    if (!verdicts) this.#verdicts.set(readings, (verdicts = new Map<string, Verdict>()))
    const names = readings[0].comparisons.length > 0 ? namedIndexes(parameters) : NONE
    const key = names.size === 0 ? '' : JSON.stringify([...names])
    let verdict = verdicts.get(key)
    if (!verdict) verdicts.set(key, (verdict = this.#judge(sql, readings, names)))
    return verdict
  }

  /** How a query is sent that is looked for in the query result cache. Throws if it must not be sent. */
  checkCached(sql: string): SearchPlan | undefined {
    return this.check(sql, undefined)
  }

  /** Throws for a statement that would leave a value in a row which it is not bound to. */
  checkRows(sql: string, uniqueKeys: UniqueKeys): void {
    for (const reading of this.#statements.readings(sql) ?? []) {
      const refusal = reading.assignments.length > 0 ? rowRefusal(reading, uniqueKeys) : undefined
      if (refusal) throw refusal
    }
  }

  #judge(sql: string, readings: Readings, names: ReadonlyMap<number, string>): Verdict {
    const [{ unreadable }] = readings
    if (unreadable !== undefined) {
      const column = declaration(this.#statements.namedIn(sql))
      return column ? { refusal: unreadableRefusal(column, unreadable), stored: [] } : NOTHING
    }
    const search = this.#planOf(sql, readings, names)
    if (search && 'refusal' in search) return { refusal: search.refusal, stored: [] }
    const refusal = readings
      .map((each) => refusalIn(each, search?.answered) ?? mirrorRefusal(each))
      .find((each) => each !== undefined)
    return refusal ? { refusal, stored: [] } : { stored: readings.flatMap(storedIn), search }
  }

  /** The plan of all readings, which must be one. */
  #planOf(
    sql: string,
    readings: Readings,
    names: ReadonlyMap<number, string>,
  ): SearchPlan | { refusal: Refusal } | undefined {
    try {
      const [first, ...others] = readings.map((each) => searchPlan(sql, each, this.#language, names))
      if (others.every((other) => other?.rewrite(sql) === first?.rewrite(sql))) return first
    } catch (error) {
      if (error instanceof CannotBeSearched) return { refusal: error.refusal }
      throw error
    }
    const column = declaration(this.#statements.namedIn(sql))
    return column && { refusal: unreadableRefusal(column, 'it can be read in several ways') }
  }
}

function refusalIn(statement: Statement, answered: ReadonlySet<number> | undefined): Refusal | undefined {
  const { uses, inserts } = statement
  const use = uses.find((each) => !isHarmless(each) && !answered?.has(each.start))
  const column = declaration(use?.source.column)
  if (use && column) return refusalOf(column, use)
  const index = writtenIndexColumn(statement)
  if (index) return indexRefusal(index)
  for (const { table, columns, isFromQuery, hasColumnList, runs } of inserts) {
    const unnamed = hasColumnList ? [] : (table?.columns ?? [])
    const isFilled = isFromQuery || (!hasColumnList && runs.some(({ cells }) => cells.length > 0))
    if (!isFilled) continue
    for (const each of [...columns.map((inserted) => inserted.column), ...unnamed]) {
      const filled = declaration(each)
      if (filled) return rawValueRefusal(filled)
    }
  }
  return undefined
}

/** A column with a blind index that the statement writes by itself: the library writes it, with the value. */
function writtenIndexColumn({ inserts, assignments }: Statement): string | undefined {
  const inserted = inserts.flatMap(({ columns }) => columns).find(({ column }) => isIndexColumn(column))
  if (inserted) return inserted.name
  return assignments.find(({ column, value }) => {
    if (!isIndexColumn(column)) return false
    // An upsert by the index takes what it inserted, with the value.
    const isWithValue = assignments.some(
      (other) => other.column?.isSearched === true && other.value.kind === 'itself',
    )
    return value.kind !== 'itself' || !isWithValue
  })?.name
}

/** The parameters that the statement puts into encrypted columns. */
function storedIn({ inserts, assignments }: Statement): Stored[] {
  const inserted = inserts.flatMap(({ columns, runs }) =>
    columns.flatMap((each, place) => {
      const column = declaration(each.column)
      if (!column) return []
      const isUpdate = assignments.some((assigned) => assigned.column === each.column)
      return runs.flatMap(({ cells, stride, rows }) => {
        const cell = cells[place]
        return cell?.kind === 'placeholder' ? [{ column, index: cell.index, stride, rows, isUpdate }] : []
      })
    }),
  )
  const assigned = assignments.flatMap(({ column: target, value }) => {
    const column = declaration(target)
    if (!column || value.kind !== 'placeholder') return []
    return [{ column, index: value.index, stride: 0, rows: 1, isUpdate: true }]
  })
  return [...inserted, ...assigned]
}

function declaration(column: CatalogueColumn | undefined): BoundColumn | undefined {
  return column && boundColumnsOf(column)[0]
}

function checkStored({ column, index, stride, rows, isUpdate }: Stored, parameters: unknown): void {
  for (let row = 0; row < rows; row++) {
    const value = Array.isArray(parameters) ? (parameters[index + row * stride] as unknown) : undefined
    if (isUpdate && value instanceof KeptCiphertext) throw value.updateRefusal()
    // A placeholder without a parameter is nothing that can be told.
    if (index < 0 || !isStorable(value, column)) throw rawValueRefusal(column)()
  }
}

/** True for NULL, for what becomes a ciphertext of the very column, and for a whole ciphertext. */
function isStorable(value: unknown, column: BoundColumn): boolean {
  if (value instanceof KeptCiphertext)
    return value.column.cell === column.cell && isStorable(value.stored, column)
  if (value instanceof PendingCiphertext) return value.column.cell === column.cell
  if (value === null || value === undefined) return true
  if (typeof value !== 'string' && !Buffer.isBuffer(value)) return false
  const { kind } = parse(column.opener.bytesOf(value))
  return kind === 'ciphertext' || kind === 'bare'
}
