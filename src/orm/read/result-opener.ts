import { isDenied } from '../../access'
import { type DataKey } from '../../cipher/data-keys/data-key'
import { channels, type NamedRow } from '../../diagnostics'
import { AccessDeniedError, KmsEncryptionError, NotTriedError } from '../../errors'
import { type BoundColumn } from '../bound-column'
import { type RowRecipe } from '../recipe'
import { type Connection } from '../row/located-update'
import { type Statements } from '../statement/statements'
import { ComparedRows } from './compared-rows'
import {
  isAlike,
  keyOf,
  type Opened,
  OpenedResult,
  type OpenedResults,
  type OpenedValue,
  UNOPENED,
  type ValueKey,
} from './opened-results'
import { type Opening, openTogether } from './opening'
import { fetchPageKeys } from './page-keys'
import { type QueryUse, type RawQueries } from './raw-queries'
import { type EncryptedResult, encryptedResults, type Row } from './result-columns'
import { fetchMissing, type FetchedValue, missingColumns } from './row-fetch'
import { type Stored } from './value-opener'

/** A value of a row, on its way to hydration. */
export interface Carried {
  readonly row: Row
  readonly name: string
  readonly column: BoundColumn
  readonly key: ValueKey
  readonly recipe: RowRecipe | undefined
  readonly opening: { readonly opened: Opened | typeof UNOPENED | undefined }
}

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

  /** Opens a result of the database. Its rows are those that TypeORM will hydrate. */
  open(
    sql: string,
    rows: readonly Row[],
    connection: () => Connection | undefined,
    use: QueryUse = 'entities',
    inspector?: Inspector,
  ): Promise<unknown> | undefined {
    const compared = use instanceof ComparedRows ? use : undefined
    const all = this.#columns(sql, rows, compared !== undefined, inspector)
    if (!all) return undefined
    const columns = compared
      ? all.filter((each) => compared.needs(each.column) || inspector?.concerns(each.name) === true)
      : all
    if (compared)
      this.#leave(
        all.filter((each) => !columns.includes(each)),
        rows,
      )
    const asks = columns.some((column) => missingColumns(column).length > 0) ? connection() : undefined
    if (asks)
      return fetchMissing(columns, rows, asks).then((fetched) =>
        this.#open(columns, rows, compared, inspector, fetched),
      )
    // Who watches wants to know the row, which hydration does not.
    const isLeft = compared === undefined && !channels.value.hasSubscribers
    const fetching = isLeft ? fetchPageKeys(columns, rows) : undefined
    if (!fetching) return this.#open(columns, rows, compared, inspector)
    return fetching.then((trouble) =>
      inspector !== undefined || columns.some((column) => cannotBeLeft(column, rows))
        ? this.#open(columns, rows, undefined, inspector, undefined, trouble)
        : undefined,
    )
  }

  #open(
    columns: readonly EncryptedResult[],
    rows: readonly Row[],
    compared: ComparedRows | undefined,
    inspector?: Inspector,
    fetched?: FetchedValue,
    trouble?: KmsEncryptionError,
  ): Promise<unknown> | undefined {
    const carried = columns.flatMap((column) => carry(column, rows, fetched))
    const opening = openTogether(
      carried.filter(isOpening).map(({ opening }) => opening),
      trouble,
    )
    const keep = (): boolean => this.#keep(compared ? carried.map(asCompared(carried)) : carried)
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
    const columns = this.#columns(sql, rows, false, inspector)
    if (!columns) return true
    const carried = columns.flatMap((column) => carry(column, rows))
    await openTogether(carried.filter(isOpening).map(({ opening }) => opening))
    await inspector?.inspect(carried, rows)
    return this.#keep(carried, false)
  }

  /** Those of a result whose values hydration could not open, or that are looked at before. */
  #columns(
    sql: string,
    rows: readonly Row[],
    isCompared = false,
    inspector?: Inspector,
  ): readonly EncryptedResult[] | undefined {
    const readings = rows.length > 0 && !isDenied() ? this.#statements.readings(sql) : undefined
    if (!readings) return undefined
    const columns = encryptedResults(readings)
    if (columns.length === 0) return undefined
    // Who watches wants to know the row, which hydration does not.
    const mustOpen =
      isCompared || channels.value.hasSubscribers || columns.some((column) => cannotBeLeft(column, rows))
    if (mustOpen) return columns
    return inspector ? columns.filter(({ name }) => inspector.concerns(name)) : undefined
  }

  /** Has values of compared rows hydrated as they are. */
  #leave(columns: readonly EncryptedResult[], rows: readonly Row[]): void {
    const values = columns.flatMap(({ column, name }) =>
      rows.flatMap((row) => {
        const stored = column.storedIfDelivered(row[name])
        if (stored === undefined) return []
        const opening = { opened: UNOPENED } as const
        return [{ row, name, column, key: keyOf(row[name], stored), recipe: undefined, opening }]
      }),
    )
    if (values.length > 0) this.#keep(values)
  }

  /**
   * Lets the values wait for their hydration. Where it would take an equal text of another row for a value, the text
   * becomes a `String` object in its row, which is told apart by itself.
   */
  #keep(values: readonly Carried[], canMark = true): boolean {
    const result = new OpenedResult()
    for (const { row, name, column, key, recipe, opening } of values) {
      const { opened } = opening
      if (opened === undefined) continue
      const value: OpenedValue = { scheme: column.scheme, recipe, opened }
      const same = typeof key === 'string' ? result.get(column.cell, key) : undefined
      // What is not opened for one query may be for another, which has an equal text.
      const isOwn = opened === UNOPENED && typeof key === 'string'
      if (
        isOwn ||
        (same && !isAlike(same.recipe, recipe)) ||
        this.#results.isAmbiguous(column.cell, key, recipe)
      ) {
        if (!canMark || typeof key !== 'string') return false
        const marked = Object(key) as object
        row[name] = marked
        result.set(column.cell, marked, value)
      } else result.set(column.cell, key, value)
    }
    this.#results.add(result)
    return true
  }
}

/** A value that the process may not open counts as different. Of a page that ends with it others were not tried. */
function asCompared(all: readonly Carried[]): (each: Carried) => Carried {
  const isDenied = all.some(({ opening: { opened } }) => opened instanceof AccessDeniedError)
  return (each) => {
    const { opened } = each.opening
    const isLeft = isDenied && (opened instanceof AccessDeniedError || opened instanceof NotTriedError)
    return isLeft ? { ...each, recipe: undefined, opening: { opened: UNOPENED } } : each
  }
}

/** True if hydration could not open each value of a column. It stops at the first. */
function cannotBeLeft({ column, name }: EncryptedResult, rows: readonly Row[]): boolean {
  const { opener, recipes } = column
  if (!recipes.constant) return true
  const { scopes } = recipes.constant
  let dataKey = opener.dataKeyAtHand(scopes)
  for (const row of rows) {
    const stored = column.storedIfDelivered(row[name])
    if (stored === undefined) continue
    if (dataKey && seemsToOpen(dataKey, stored)) continue
    if (opener.needsKms(opener.bytesOf(stored), scopes)) return true
    dataKey = opener.dataKeyAtHand(scopes)
  }
  return false
}

function seemsToOpen(dataKey: DataKey, stored: Stored): boolean {
  return typeof stored === 'string' ? dataKey.seemsToOpenText(stored) : dataKey.seemsToOpen(stored)
}

function carry(result: EncryptedResult, rows: readonly Row[], fetched?: FetchedValue): Carried[] {
  const { column, name, rowName } = result
  const { opener } = column
  const isWatched = channels.value.hasSubscribers
  const carried: Carried[] = []
  for (const row of rows) {
    const stored = column.storedIfDelivered(row[name])
    if (stored === undefined) continue
    const key = keyOf(row[name], stored)
    try {
      const recipe = column.recipeOfStored(
        (other) => valueOf(row, rowName(other)) ?? fetched?.(result, row, other),
      )
      const opening = {
        column,
        recipe,
        stored,
        bytes: opener.bytesOf(stored),
        row: isWatched ? namedRow(result, row) : undefined,
        opened: undefined,
      }
      carried.push({ row, name, column, key, recipe, opening })
    } catch (error) {
      if (!(error instanceof KmsEncryptionError)) throw error
      carried.push({ row, name, column, key, recipe: undefined, opening: { opened: error } })
    }
  }
  return carried
}

/** The primary key of a row, as far as the result has it. */
function namedRow({ column, rowName }: EncryptedResult, row: Row): NamedRow {
  return () => {
    const key = column.metadata.entityMetadata.primaryColumns.map(
      ({ propertyPath, databaseName }) => [propertyPath, valueOf(row, rowName(databaseName))] as const,
    )
    return key.length > 0 && key.every(([, value]) => value !== undefined)
      ? Object.fromEntries(key)
      : undefined
  }
}

function valueOf(row: Row, name: string | undefined): unknown {
  return name === undefined ? undefined : row[name]
}

function isOpening(carried: Carried): carried is Carried & { opening: Opening } {
  return carried.recipe !== undefined
}
