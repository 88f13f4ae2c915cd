import { type QueryRunner } from 'typeorm'
import { RowUnknownError } from '../../errors'
import { type EncryptedColumn } from '../encrypted-column'
import { PendingIndex } from '../search/pending-index'
import { type AssignedValue, type Insert } from '../statement/statement'
import { type SentStatement } from '../write/parameter-rows'
import { type SealedAhead } from '../write/sealed-ahead'
import { PendingCiphertext, PendingPlaintext } from '../write/tokens'
import { type BindableColumn } from './bindable-column'

/** What of a query runner is needed to have a transaction. */
export type Runner = Pick<
  QueryRunner,
  'isTransactionActive' | 'startTransaction' | 'commitTransaction' | 'rollbackTransaction'
>

/** An INSERT of values that are bound to keys which the database makes, as it is sent. */
export interface GeneratedKeys {
  readonly sql: string
  /** What is sent in place of its parameters. */
  seal(ahead: SealedAhead): Promise<readonly unknown[]>
  /** Sends it, and what else is needed. */
  send(runner: Runner, insert: () => Promise<unknown>, ahead: SealedAhead): Promise<unknown>
}

const INDEX_REFUSAL =
  'the blind index has a key for each key that the database makes, so that nothing could be found by it. Have the application make the ids, or key the column by something else.'

/** A value that is to be stored in a new row, whose key is not known yet. */
interface NewValue {
  /** Which row of the statement, from 0. */
  readonly row: number
  /** Number of its parameter. */
  readonly index: number
  readonly pending: PendingCiphertext
  readonly column: EncryptedColumn
  /** The column's name in the database. */
  readonly name: string
}

/** An INSERT of values that are bound to keys which the database makes. */
export interface KeylessInsert {
  readonly sent: SentStatement
  readonly insert: Insert
  /** Rows of the statement. */
  readonly rows: number
  readonly values: readonly NewValue[]
  /** Some rows have the key, and others do not. */
  readonly isMixed: boolean
  /** The columns that the database fills and values are bound to. */
  readonly generated: readonly BindableColumn[]
}

/** Finds what of an INSERT is bound to keys that it does not give; `undefined` if there is nothing of the kind. */
export function keylessInsert(sent: SentStatement): KeylessInsert | undefined {
  const { statement, parameters } = sent
  const [insert, ...others] = statement?.inserts ?? []
  if (!insert || others.length > 0) return undefined
  const values: NewValue[] = []
  const generated = new Set<BindableColumn>()
  let first = 0
  let isFilledSomewhere = false
  for (const { rows, cells, stride } of insert.runs) {
    const places = new Map(insert.columns.map(({ name }, place) => [name, place]))
    /** True for a key that the database makes, and this row does not give. */
    const isLeft = ({ made, name }: BindableColumn, row: number): boolean => {
      if (!made) return false
      const cell = cells[places.get(name) ?? -1]
      if (!isFilled(cell)) return true
      if (cell.kind !== 'placeholder' || made.kind === 'asked') return false
      const value = parameters[cell.index + row * stride]
      return value === null || value === undefined || (made.replacesZero && Number(value) === 0)
    }
    for (const [place, cell] of cells.entries()) {
      const name = insert.columns[place]?.name
      if (cell.kind !== 'placeholder' || name === undefined) continue
      for (let row = 0; row < rows; row++) {
        const index = cell.index + row * stride
        const pending = parameters[index]
        if (!(pending instanceof PendingCiphertext)) continue
        const { column } = pending
        const made = column.recipes.dependsOn.filter((each) => each.made !== undefined)
        const missing = made.filter((each) => isLeft(each, row))
        isFilledSomewhere ||= missing.length < made.length
        if (missing.length === 0 || pending instanceof PendingPlaintext) continue
        // An index belongs to the context, which knows no row.
        if (pending instanceof PendingIndex) {
          if (!column.recipes.contexts[0]?.perRow.some((pair) => isLeft(pair.column, row))) continue
          throw column.error(RowUnknownError, INDEX_REFUSAL)
        }
        for (const each of missing) generated.add(each)
        values.push({ row: first + row, index, pending, column, name })
      }
    }
    first += rows
  }
  const [{ column } = { column: undefined }] = values
  if (!column) return undefined
  const refusal = refusalOf(insert, [...generated])
  if (refusal !== undefined) throw column.error(RowUnknownError, refusal)
  return { sent, insert, rows: first, isMixed: isFilledSomewhere, values, generated: [...generated] }
}

export function isFilled(cell: AssignedValue | undefined): cell is AssignedValue {
  return cell !== undefined && cell.kind !== 'default' && cell.kind !== 'null'
}

function refusalOf(insert: Insert, generated: readonly BindableColumn[]): string | undefined {
  const keys = generated.map(({ property }) => property).join(', ')
  const instead = `Give ${keys}, or find the row first and save() it.`
  if (insert.mayBeIgnored) {
    return `the value is bound to ${keys}, which the database makes, and a row that is ignored (orIgnore) has none: it cannot be said which values were stored. ${instead}`
  }
  if (insert.conflict && generated.some(({ made }) => made?.kind === 'inserted')) {
    return `the value is bound to ${keys}, which the database makes, and an upsert does not say which row it found. ${instead}`
  }
  return undefined
}
