import { type QueryRunner } from 'typeorm'
import { parse, type Parsed } from '../cipher/ciphertext'
import { type Scope } from '../cipher/scope'
import { type ColumnRow } from '../dialects/rows/column-rows'
import { InvalidValueError, RowUnknownError, WrongContextError } from '../errors'
import { isOfOtherScope } from '../errors/kinds'
import { type BoundColumn } from '../orm/bound-column'
import { boundColumns } from '../orm/bound-columns'
import { type BelongsTo, type Unreadable } from './failures'
import { pagesOf } from './pages'
import { readLayout, withKeys } from './rows/column-layout'
import { dataSourceOf } from './target'

/** Values of a column that are looked for. */
const MAX_WANTED = 100
/** Calls to KMS for a column: where a call is needed for each row, so many rows are tried. */
const MAX_CALLS = 1_000
const ROWS_AT_ONCE = 500

/** A value that does not open in its row, and what came of the search. */
interface Wanted {
  readonly row: ColumnRow
  readonly parsed: Parsed
  /** Calls to KMS that were refused. */
  readonly refused: Set<string>
  belongsTo: BelongsTo | undefined
  isCutShort: boolean
}

/**
 * Looks for the rows that values belong to which do not open in their own: by trying what each row of the table would
 * bind them to. So a value that was moved is told from one that was altered. Other columns of the entity are tried as
 * far as the data keys at hand go.
 */
export class RowFinder {
  readonly #column: BoundColumn
  /** Its own first. */
  readonly #columns: ReadonlySet<BoundColumn>
  readonly #wanted: Wanted[] = []
  #left = 0
  #calls = 0

  constructor(column: BoundColumn) {
    this.#column = column
    this.#columns = new Set([column, ...boundColumns(column.metadata.entityMetadata)])
  }

  /** Remembers a value, if it may belong to another row. */
  add(row: ColumnRow, error: unknown): void {
    if (this.#column.recipes.opensBy.length === 0) return
    const parsed = parse(this.#column.opener.bytesOf(row.stored))
    if (!isOfOtherScope(error) || parsed.kind !== 'ciphertext') return
    if (this.#wanted.length === MAX_WANTED) this.#left++
    else this.#wanted.push({ row, parsed, refused: new Set(), belongsTo: undefined, isCutShort: false })
  }

  /** Tries the rows of the table. Throws trouble of KMS and of the database. */
  async search(queryRunner: QueryRunner): Promise<void> {
    if (this.#wanted.length === 0) return
    const { driver } = dataSourceOf(queryRunner)
    const names = new Set(
      Array.from(this.#columns, ({ recipes }) => recipes.opensBy)
        .flat()
        .map(({ name }) => name),
    )
    const column = await readLayout(queryRunner, this.#column)
    const layout = {
      ...(await withKeys(queryRunner, column)),
      bound: Array.from(names, (name) => ({ name, sql: driver.escape(name) })),
    }
    const restore = await column.dialect.fixFormats(queryRunner, layout.keys)
    try {
      const rows = await column.dialect.openRows(queryRunner, layout)
      const next = { limit: ROWS_AT_ONCE, boundOnly: true }
      for await (const page of pagesOf(rows, () => next)) {
        for (const row of page) await this.#try(row)
        if (this.#wanted.every(({ belongsTo }) => belongsTo)) return
      }
    } finally {
      await restore()
    }
  }

  /** The same failures, with what was found. */
  explained(failures: readonly Unreadable[]): Unreadable[] {
    const found = new Map(this.#wanted.map((wanted) => [idOf(wanted.row.primaryKey()), wanted]))
    return failures.map((failure) => {
      const wanted = found.get(idOf(failure.primaryKey))
      if (!wanted) return failure
      const { belongsTo } = wanted
      return { ...failure, reason: this.#reasonOf(wanted), ...(belongsTo && { belongsTo }) }
    })
  }

  /** What is to be said of the search, if not all values were looked for. */
  get note(): string | undefined {
    return this.#left === 0
      ? undefined
      : `${MAX_WANTED} values that do not open in their row were looked for in others, and ${this.#left} more were not. Mend those, then run the same again.`
  }

  #reasonOf({ belongsTo, isCutShort }: Wanted): string {
    const { propertyPath } = this.#column.metadata
    if (belongsTo) {
      const of = belongsTo.property === propertyPath ? '' : `${belongsTo.property} of `
      return `the value is that of ${of}the row ${keyText(belongsTo.primaryKey)}: it was copied or moved here.`
    }
    const bound = this.#column.recipes.opensBy.map(({ property }) => property).join(', ')
    return isCutShort
      ? `the value is none of the rows that were tried, which were not all: KMS was asked ${MAX_CALLS} times. It was moved or altered, or what it is bound to (${bound}) was changed by raw SQL.`
      : `the value is that of no row of the table: it was altered, its row is gone, or what it is bound to (${bound}) was changed by raw SQL: then rotate --bound-as takes it back.`
  }

  async #try(row: ColumnRow): Promise<void> {
    const scopes = Array.from(this.#columns, (column) => ({ column, scopes: scopesOf(column, row) }))
    for (const wanted of this.#wanted) {
      if (wanted.belongsTo) continue
      const column = await this.#opening(wanted, row, scopes)
      if (column) wanted.belongsTo = { property: column.metadata.propertyPath, primaryKey: row.primaryKey() }
    }
  }

  /** The first column of a row that a value opens in. */
  async #opening(
    wanted: Wanted,
    row: ColumnRow,
    columns: readonly { column: BoundColumn; scopes: readonly Scope[] }[],
  ): Promise<BoundColumn | undefined> {
    for (const { column, scopes } of columns) {
      const isOwn = column === this.#column
      if (isOwn && row.id === wanted.row.id) continue
      for (const scope of scopes) if (await this.#opens(wanted, scope, isOwn)) return column
    }
    return undefined
  }

  async #opens(wanted: Wanted, scope: Scope, mayAsk: boolean): Promise<boolean> {
    const { cipher } = this.#column
    const { parsed, refused } = wanted
    try {
      const now = cipher.decryptNow(parsed, scope)
      if (now) return erased(now)
      if (!mayAsk) return false
      const call = cipher.callOf(parsed, scope) ?? ''
      if (refused.has(call)) return false
      if (this.#calls === MAX_CALLS) {
        wanted.isCutShort = true
        return false
      }
      this.#calls++
      return erased(await cipher.decrypt(parsed, scope))
    } catch (error) {
      if (error instanceof WrongContextError) refused.add(cipher.callOf(parsed, scope) ?? '')
      if (isOfOtherScope(error)) return false
      throw this.#column.placed(error)
    }
  }
}

/** The plaintext is of no use here. */
function erased(plaintext: Buffer): true {
  plaintext.fill(0)
  return true
}

/** What the values of a row are opened under; none if the row has nothing that a value can be bound to. */
function scopesOf(column: BoundColumn, row: ColumnRow): readonly Scope[] {
  try {
    return column.recipes.of((name) => row.valueOf(name)).scopes
  } catch (error) {
    if (error instanceof InvalidValueError || error instanceof RowUnknownError) return []
    throw error
  }
}

function keyText(primaryKey: Readonly<Record<string, unknown>>): string {
  const pairs = Object.entries(primaryKey).map(([name, value]) => `${name}=${String(value)}`)
  return `(${pairs.join(', ')})`
}

function idOf(primaryKey: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(Object.entries(primaryKey).map(([name, value]) => [name, String(value)]))
}
