import { isDenied } from '../../access'
import { channels } from '../../diagnostics'
import { AccessDeniedError, type KmsEncryptionError, NotTriedError } from '../../errors'
import { type Connection } from '../row/located-update'
import { type Statements } from '../statement/statements'
import { type Carried, carry, carryUnopened, isToOpen } from './carried'
import { ComparedRows } from './compared-rows'
import { canBeLeft, LeftRows } from './left-rows'
import { leaveUnread, unreadColumns } from './left-unread'
import { isAlike, OpenedResult, type OpenedResults, UNOPENED } from './opened-results'
import { openTogether } from './opening'
import { fetchPageKeys } from './page-keys'
import { type QueryUse, type RawQueries } from './raw-queries'
import { type EncryptedResult, encryptedResults, type Row } from './result-columns'
import { fetchMissing, type FetchedValue, missingColumns } from './row-fetch'

/** Looks at opened values before anybody gets them. Throws for a row that must not be a result. */
export interface Inspector {
  /** True for columns of the result, by their names in the rows, whose values it looks at. */
  concerns(name: string): boolean
  inspect(values: readonly Carried[], rows: readonly Row[]): Promise<unknown> | undefined
}

/**
 * Opens the encrypted values of a result before TypeORM makes entities of its rows, where hydration could not: it
 * cannot wait for KMS, and does not know the row that a value belongs to. A result whose data keys are at hand, and
 * whose values depend on no row, is left to hydration.
 */
export class ResultOpener {
  readonly #statements: Statements
  readonly #results: OpenedResults
  readonly #raw: RawQueries

  constructor(statements: Statements, results: OpenedResults, raw: RawQueries) {
    this.#statements = statements
    this.#results = results
    this.#raw = raw
  }

  /** What the query that is being sent is for. See `RawQueries.take()`. */
  takeUse(): QueryUse {
    return this.#raw.take()
  }

  /** True if the rows of a statement have values of encrypted columns. */
  holdsValues(sql: string): boolean {
    const readings = this.#statements.readings(sql)
    return readings !== undefined && encryptedResults(readings).length > 0
  }

  /** Opens a result of the database. Its rows are those that TypeORM will hydrate. */
  open(
    sql: string,
    rows: readonly Row[],
    connection: () => Connection | undefined,
    use: QueryUse = 'entities',
    inspector?: Inspector,
  ): Promise<unknown> | undefined {
    const compared = use instanceof ComparedRows ? use : undefined
    const all = this.#columns(sql, rows)
    if (!all) return undefined
    if (compared)
      return this.#openColumns(this.#compared(all, rows, compared, inspector), rows, connection, {
        compared,
        inspector,
      })
    const open = (columns: readonly EncryptedResult[]) =>
      this.#openColumns(columns, rows, connection, { inspector })
    return leaveUnread(all, rows, inspector, open)
  }

  /** Opens these columns of a result. */
  #openColumns(
    columns: readonly EncryptedResult[],
    rows: readonly Row[],
    connection: () => Connection | undefined,
    { compared, inspector }: Circumstances,
  ): Promise<unknown> | undefined {
    if (columns.length === 0) return undefined
    const asks = columns.some((column) => missingColumns(column).length > 0) ? connection() : undefined
    if (asks)
      return fetchMissing(columns, rows, asks).then((fetched) =>
        this.#open(columns, rows, { compared, inspector, fetched }),
      )
    if (areLeft(columns, rows)) return this.#openLeft(columns, rows, inspector)
    // Who watches wants to know the row, which hydration does not.
    const isForHydration = compared === undefined && !channels.value.hasSubscribers
    const fetching = isForHydration ? fetchPageKeys(columns, rows) : undefined
    if (!fetching) return this.#open(columns, rows, { compared, inspector })
    return fetching.then((trouble) =>
      areLeft(columns, rows)
        ? this.#openLeft(columns, rows, inspector)
        : this.#open(columns, rows, { inspector, trouble }),
    )
  }

  /** Opens what is looked at before hydration. What else hydration needs to know stays for it. */
  #openLeft(
    columns: readonly EncryptedResult[],
    rows: readonly Row[],
    inspector: Inspector | undefined,
  ): Promise<unknown> | undefined {
    const inspected = inspector ? columns.filter(({ name }) => inspector.concerns(name)) : []
    const left = LeftRows.of(inspector ? columns.filter((each) => !inspected.includes(each)) : columns, rows)
    if (left) this.#results.add(left)
    return inspected.length > 0 ? this.#open(inspected, rows, { inspector }) : undefined
  }

  #open(
    columns: readonly EncryptedResult[],
    rows: readonly Row[],
    { compared, inspector, fetched, trouble }: Circumstances,
  ): Promise<unknown> | undefined {
    const carried = columns.flatMap((column) => carry(column, rows, fetched))
    const opening = openTogether(carried.filter(isToOpen), trouble)
    const keep = (): boolean => this.#keep(compared ? asCompared(carried) : carried)
    const finish = (): Promise<unknown> | undefined => {
      const inspecting = inspector?.inspect(carried, rows)
      if (inspecting) return inspecting.then(keep)
      keep()
      return undefined
    }
    return opening ? opening.then(finish) : finish()
  }

  /**
   * Opens a result of the query result cache, of which TypeORM will hydrate a copy. Returns false if the copy would
   * not tell equal ciphertexts of different rows apart: then the result is of no use.
   */
  async openCached(sql: string, rows: readonly Row[], inspector?: Inspector): Promise<boolean> {
    const all = this.#columns(sql, rows)
    if (!all) return true
    // Of the copy it is not known in which row a value stands.
    const unread = unreadColumns(all, inspector).filter((column) => canBeLeft(column, rows))
    const others = all.filter((column) => !unread.includes(column))
    const isLeft = others.every(({ column }) => column.recipes.constant) && areLeft(others, rows)
    const columns = isLeft ? others.filter(({ name }) => inspector?.concerns(name) === true) : others
    if (columns.length === 0) return true
    const carried = columns.flatMap((column) => carry(column, rows))
    await openTogether(carried.filter(isToOpen))
    await inspector?.inspect(carried, rows)
    return this.#keep(carried, false)
  }

  #columns(sql: string, rows: readonly Row[]): readonly EncryptedResult[] | undefined {
    const readings = rows.length > 0 && !isDenied() ? this.#statements.readings(sql) : undefined
    const columns = readings && encryptedResults(readings)
    return columns && columns.length > 0 ? columns : undefined
  }

  /** Those whose values an entity has to be compared with. The others are hydrated as they are. */
  #compared(
    all: readonly EncryptedResult[],
    rows: readonly Row[],
    compared: ComparedRows,
    inspector: Inspector | undefined,
  ): readonly EncryptedResult[] {
    const columns = all.filter(
      (each) => compared.needs(each.column) || inspector?.concerns(each.name) === true,
    )
    const others = all.filter((each) => !columns.includes(each)).flatMap((each) => carryUnopened(each, rows))
    if (others.length > 0) this.#keep(others)
    return columns
  }

  /**
   * Lets the values wait for their hydration. Where it would take an equal text of another row for a value, the text
   * becomes a `String` object in its row, which is told apart by itself.
   */
  #keep(values: readonly Carried[], canMark = true): boolean {
    const result = new OpenedResult()
    for (const value of values) {
      const { inRow, name, column, key, recipe, opened } = value
      if (opened === undefined) continue
      if (typeof key === 'object') {
        result.set(column.cell, key, value)
        continue
      }
      const same = result.get(column.cell, key)
      // What is not opened for one query may be for another, which has an equal text.
      const isOwn = opened === UNOPENED || (same && !isAlike(same.recipe, recipe))
      if (isOwn || this.#results.isAmbiguous(column.cell, key, recipe)) {
        if (!canMark) return false
        const marked = Object(key) as object
        inRow[name] = marked
        result.set(column.cell, marked, value)
      } else result.set(column.cell, key, value)
    }
    this.#results.add(result)
    return true
  }
}

/** How values are opened. */
interface Circumstances {
  /** The rows that they are loaded to be compared with. */
  readonly compared?: ComparedRows | undefined
  readonly inspector?: Inspector | undefined
  /** What the rows lack. */
  readonly fetched?: FetchedValue
  /** Why KMS need not be asked. */
  readonly trouble?: KmsEncryptionError | undefined
}

/** True if hydration can open all values itself. Who watches wants to know the row, which hydration does not. */
function areLeft(columns: readonly EncryptedResult[], rows: readonly Row[]): boolean {
  return !channels.value.hasSubscribers && columns.every((column) => canBeLeft(column, rows))
}

/** Values that the process may not open count as different. Of a page that ends with one others were not tried. */
function asCompared(all: readonly Carried[]): readonly Carried[] {
  if (!all.some(({ opened }) => opened instanceof AccessDeniedError)) return all
  return all.map((each) => {
    const isLeft = each.opened instanceof AccessDeniedError || each.opened instanceof NotTriedError
    return isLeft ? { ...each, recipe: undefined, opened: UNOPENED } : each
  })
}
