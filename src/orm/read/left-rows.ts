import { type Scheme } from '../../column/scheme'
import { type BoundColumn } from '../bound-column'
import { valueOf } from './carried'
import { type OpenedValue, type ValueKey, type WaitingResult } from './opened-results'
import { failureOf } from './opening'
import { type EncryptedResult, type Row } from './result-columns'
import { seemsToOpen, type Stored } from './value-opener'

/**
 * Values that hydration opens when it asks for them, because their data keys are at hand, and that are bound to their
 * rows: only in which row each stands is kept. What were opened before would be kept until then, and collecting it costs
 * as much as opening it.
 */
export class LeftRows implements WaitingResult {
  readonly #columns: readonly LeftColumn[]

  /** `undefined` if none of the columns is bound to its row: then there is nothing to keep. */
  static of(results: readonly EncryptedResult[], rows: readonly Row[]): LeftRows | undefined {
    const bound = results.filter(({ column }) => !column.recipes.constant)
    return bound.length > 0 ? new LeftRows(bound, rows) : undefined
  }

  private constructor(results: readonly EncryptedResult[], rows: readonly Row[]) {
    this.#columns = results.map((result) => new LeftColumn(result, rows))
  }

  get(cell: string, key: ValueKey, scheme?: Scheme): OpenedValue | undefined {
    if (typeof key !== 'object') return undefined
    for (const each of this.#columns) {
      if (each.column.cell !== cell || (scheme && each.column.scheme !== scheme)) continue
      const found = each.open(key)
      if (found) return found
    }
    return undefined
  }
}

/** One column of them. */
class LeftColumn {
  readonly column: BoundColumn
  readonly #rows: readonly Row[]
  readonly #name: string
  /** The place of the row whose value was asked for last. */
  #last = -1
  /** The places of all values; made where they are not asked for in their order. */
  #places: Map<unknown, number> | undefined
  readonly #rowName: EncryptedResult['rowName']
  /** That of the value which is being opened. */
  #row: Row = {}

  constructor({ column, name, rowName }: EncryptedResult, rows: readonly Row[]) {
    this.column = column
    this.#rowName = rowName
    this.#rows = rows
    this.#name = name
  }

  open(value: object): OpenedValue | undefined {
    const row = this.#find(value)
    const stored = row && this.column.storedIfDelivered(value)
    if (!row || !stored) return undefined
    this.#row = row
    return { scheme: this.column.scheme, recipe: undefined, opened: this.#opened(stored) }
  }

  /** Mostly it is the next: a map of all would be kept, too, and cost more than what is kept. */
  #find(value: object): Row | undefined {
    const next = this.#rows[this.#last + 1]
    if (next?.[this.#name] === value) {
      this.#last++
      return next
    }
    this.#places ??= new Map(this.#rows.map((row, at) => [row[this.#name], at]))
    const at = this.#places.get(value)
    if (at === undefined) return undefined
    this.#last = at
    return this.#rows[at]
  }

  #opened(stored: Stored): OpenedValue['opened'] {
    const { column } = this
    try {
      return column.opener.openNow(stored, column.recipeOfStored(this.#valueOf).scopes)
    } catch (error) {
      return failureOf(error)
    }
  }

  readonly #valueOf = (name: string): unknown => valueOf(this.#row, this.#rowName(name))
}

/** True if hydration can open each value of a column, with data keys at hand. It stops at the first that it cannot. */
export function canBeLeft({ column, name }: EncryptedResult, rows: readonly Row[]): boolean {
  const { opener, recipes } = column
  // With earlier settings, or a data key for each row, each value would have to be looked at.
  const recipe = recipes.constant ?? (recipes.contexts.length === 1 ? recipes.keyed : undefined)
  if (!recipe) return false
  const { scopes } = recipe
  let dataKey = opener.keyAtHand(scopes)
  for (const row of rows) {
    const value = row[name]
    const stored = column.storedIfDelivered(value)
    if (stored === undefined) continue
    // Equal texts may stand in several rows.
    if (!recipes.constant && !(value instanceof Uint8Array)) return false
    if (dataKey && seemsToOpen(dataKey, stored)) continue
    if (opener.needsKms(opener.bytesOf(stored), scopes)) return false
    dataKey = opener.keyAtHand(scopes)
  }
  return true
}
