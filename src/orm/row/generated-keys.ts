import { randomBytes } from 'node:crypto'
import { type QueryRunner } from 'typeorm'
import { MAGIC, VERSION } from '../../cipher/format'
import { RowUnknownError } from '../../errors'
import { type EncryptedColumn } from '../encrypted-column'
import { type Stored } from '../read/value-opener'
import { type AssignedValue, type Insert } from '../statement/statement'
import { rowOfParameter, type SentStatement } from '../write/parameter-rows'
import { sealAll } from '../write/parameters'
import { type SealedAhead } from '../write/sealed-ahead'
import { PendingIndex } from '../search/pending-index'
import { PendingCiphertext, PendingPlaintext } from '../write/tokens'
import { type BindableColumn } from './bindable-column'
import { type Connection } from './located-update'

/** What of a query runner is needed to have a transaction. */
type Runner = Pick<
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

/** `undefined` for a statement whose values are bound to nothing that the database makes. */
export function generatedKeys(sent: SentStatement, connection: Connection): GeneratedKeys | undefined {
  const keyless = keylessInsert(sent)
  if (!keyless) return undefined
  const inserted = keyless.generated.find(({ made }) => made?.kind === 'inserted')
  return inserted ? new InsertedKeys(keyless, inserted, connection) : new AskedKeys(keyless, connection)
}

/** A piece of the text that is replaced. */
type Edit = [at: number, length: number, text: string]

const DEFAULT = 'DEFAULT'

/** Stands for a key that is not known, where it does not matter. */
const ANY_KEY = 0

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
interface KeylessInsert {
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
function keylessInsert(sent: SentStatement): KeylessInsert | undefined {
  const { statement, parameters } = sent
  const [insert, ...others] = statement?.inserts ?? []
  if (!insert || others.length > 0) return undefined
  const values: NewValue[] = []
  const generated = new Set<BindableColumn>()
  let first = 0
  for (const { rows, cells, stride } of insert.runs) {
    const filled = new Set(
      insert.columns.flatMap(({ name }, place) => (isFilled(cells[place]) ? [name] : [])),
    )
    for (const [place, cell] of cells.entries()) {
      const name = insert.columns[place]?.name
      if (cell.kind !== 'placeholder' || name === undefined) continue
      for (let row = 0; row < rows; row++) {
        const index = cell.index + row * stride
        const pending = parameters[index]
        if (!(pending instanceof PendingCiphertext)) continue
        const { column } = pending
        const isMissing = (each: BindableColumn): boolean => each.made !== undefined && !filled.has(each.name)
        const missing = column.recipes.dependsOn.filter(isMissing)
        if (missing.length === 0 || pending instanceof PendingPlaintext) continue
        // An index belongs to the context, which knows no row.
        if (pending instanceof PendingIndex) {
          if (!column.recipes.contexts[0]?.perRow.some((pair) => isMissing(pair.column))) continue
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
  const isMixed = insert.runs.some(({ cells }) =>
    insert.columns.some(
      ({ name }, place) => isFilled(cells[place]) && [...generated].some((each) => each.name === name),
    ),
  )
  return { sent, insert, rows: first, isMixed, values, generated: [...generated] }
}

function isFilled(cell: AssignedValue | undefined): boolean {
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

/** Has the database make keys before the rows are there, and gives them with the rows: PostgreSQL. */
class AskedKeys implements GeneratedKeys {
  readonly #keyless: KeylessInsert
  readonly #connection: Connection
  sql: string

  constructor(keyless: KeylessInsert, connection: Connection) {
    this.#keyless = keyless
    this.#connection = connection
    this.sql = keyless.sent.sql
  }

  async seal(ahead: SealedAhead): Promise<readonly unknown[]> {
    const { sent, insert, rows, generated } = this.#keyless
    const found: Record<string, unknown>[] = Array.from({ length: rows }, () => ({}))
    const added: unknown[] = []
    const edits: Edit[] = []
    for (const column of generated) {
      if (column.made?.kind !== 'asked') continue
      const { expression } = column.made
      const sql = `SELECT ${expression} AS made FROM generate_series(1, ${rows})`
      const keys = (await this.#connection.query(sql)) as { made: unknown }[]
      for (const [row, { made }] of keys.entries()) Object.assign(found[row] ?? {}, { [column.name]: made })
      edits.push(...this.#editsFor(column, (row) => added.push(found[row]?.[column.name])))
    }
    const rowOf = rowsOf(insert)
    const sealed = await sealAll(
      sent.parameters,
      () => sent,
      ahead,
      (name, index) => found[rowOf(index)]?.[name],
    )
    this.sql = edits
      .sort(([a], [b]) => b - a)
      .reduce((text, [at, length, piece]) => text.slice(0, at) + piece + text.slice(at + length), sent.sql)
    return [...sealed, ...added]
  }

  send(_: Runner, insert: () => Promise<unknown>): Promise<unknown> {
    return insert()
  }

  /** Puts the keys of a column into the text: in place of DEFAULT, or with a column that the INSERT does not name. */
  #editsFor({ name, made }: BindableColumn, add: (row: number) => number): Edit[] {
    const { sent, insert } = this.#keyless
    const { dialect, escape } = this.#connection
    const edits: Edit[] = []
    const own = insert.columns.findIndex((column) => column.name === name)
    const beside = insert.columns.findIndex((_, place) => insert.runs[0]?.ends.has(place) === true)
    if (own < 0) edits.push([insert.columns[beside]?.end ?? 0, 0, `, ${escape(name)}`])
    if (made?.kind === 'asked' && made.isAlways) {
      const end = insert.columns.at(-1)?.end ?? 0
      edits.push([sent.sql.indexOf(')', end) + 1, 0, ' OVERRIDING SYSTEM VALUE'])
    }
    let first = 0
    for (const { cells, ends, rows } of insert.runs) {
      for (let row = 0; row < rows; row++) {
        if (own >= 0 && isFilled(cells[own])) continue
        const end = ends.get(own < 0 ? beside : own)?.[row] ?? 0
        const placeholder = dialect.placeholder(sent.parameters.length + add(first + row))
        if (own < 0) edits.push([end, 0, `, ${placeholder}`])
        else edits.push([end - DEFAULT.length, DEFAULT.length, placeholder])
      }
      first += rows
    }
    return edits
  }
}

/** Which row of the statement a parameter goes into. */
function rowsOf({ runs }: Insert): (index: number) => number {
  const rows = new Map<number, number>()
  let first = 0
  for (const { cells, rows: count, stride } of runs) {
    for (const cell of cells) {
      if (cell.kind !== 'placeholder') continue
      for (let row = 0; row < count; row++) rows.set(cell.index + row * stride, first + row)
    }
    first += count
  }
  return (index) => rows.get(index) ?? -1
}

/** Rows of one UPDATE. */
const ROWS_AT_ONCE = 50

/**
 * Inserts rows with bytes in place of the values, learns their keys, and stores the values in the same transaction:
 * MySQL, MariaDB and SQLite. The bytes open to nothing, and each UPDATE finds its row by them as well as by the key.
 */
class InsertedKeys implements GeneratedKeys {
  readonly sql: string
  readonly #keyless: KeylessInsert
  readonly #connection: Connection
  readonly #key: BindableColumn
  /** By the number of the parameter. */
  readonly #provisional = new Map<number, Stored>()

  constructor(keyless: KeylessInsert, key: BindableColumn, connection: Connection) {
    this.#keyless = keyless
    this.#key = key
    this.#connection = connection
    this.sql = keyless.sent.sql
  }

  async seal(ahead: SealedAhead): Promise<readonly unknown[]> {
    const { sent, values } = this.#keyless
    const others = [...sent.parameters]
    for (const { index } of values) others[index] = null
    const parameters = [...(await sealAll(others, () => sent, ahead, this.#anyKey))]
    for (const { index, column } of values) {
      const bytes = Buffer.concat([Buffer.of(MAGIC, VERSION), randomBytes(22)])
      const stored = column.scheme.options.storage === 'text' ? bytes.toString('base64') : bytes
      this.#provisional.set(index, stored)
      parameters[index] = stored
    }
    return parameters
  }

  readonly #anyKey = (name: string): unknown => (name === this.#key.name ? ANY_KEY : undefined)

  /** In a transaction of its own where none is open. */
  async send(runner: Runner, insert: () => Promise<unknown>, ahead: SealedAhead): Promise<unknown> {
    if (runner.isTransactionActive && this.#keyless.rows === 1) return this.#sendOne(insert, ahead)
    await runner.startTransaction()
    try {
      const result = await insert()
      await this.#store(result, ahead)
      await runner.commitTransaction()
      return result
    } catch (error) {
      // What failed is what the caller is told.
      await runner.rollbackTransaction().catch(() => undefined)
      throw error
    }
  }

  /** The application may go on with its transaction: a savepoint for each row would cost two statements. */
  async #sendOne(insert: () => Promise<unknown>, ahead: SealedAhead): Promise<unknown> {
    const result = await insert()
    try {
      await this.#store(result, ahead)
    } catch (error) {
      await this.#remove().catch(() => undefined)
      throw error
    }
    return result
  }

  async #store(result: unknown, ahead: SealedAhead): Promise<void> {
    const keys = await this.#keysOf(result)
    const { values, sent } = this.#keyless
    const stored = await Promise.all(
      values.map(async ({ row, index, pending, column }) => {
        const recipe = column.recipes.of(
          rowOfParameter(sent, index, (name) => (name === this.#key.name ? keys[row] : undefined)),
        )
        return pending.encrypt(recipe, ahead)
      }),
    )
    const byRow: (undefined | { key: unknown; cells: [name: string, before: Stored, after: Stored][] })[] = []
    for (const [at, { row, index, name }] of values.entries()) {
      const [before, after] = [this.#provisional.get(index), stored[at]]
      if (before === undefined || after === undefined) continue
      ;(byRow[row] ??= { key: keys[row], cells: [] }).cells.push([name, before, after])
      returnStored(result, row, name, after)
    }
    const changed = byRow.filter((each) => each !== undefined)
    for (let at = 0; at < changed.length; at += ROWS_AT_ONCE)
      await this.#update(changed.slice(at, at + ROWS_AT_ONCE))
  }

  async #update(
    rows: readonly {
      key: unknown
      cells: readonly (readonly [name: string, before: Stored, after: Stored])[]
    }[],
  ): Promise<void> {
    const { escape, dialect, query } = this.#connection
    const key = escape(this.#key.name)
    const parameters: unknown[] = []
    const place = (value: unknown): string => dialect.placeholder(parameters.push(value))
    const names = [...new Set(rows.flatMap(({ cells }) => cells.map(([name]) => name)))]
    const assignments = names.map((name) => {
      const cases = rows.flatMap((row) =>
        row.cells.flatMap(([each, , after]) =>
          each === name ? [`WHEN ${key} = ${place(row.key)} THEN ${place(after)}`] : [],
        ),
      )
      return `${escape(name)} = CASE ${cases.join(' ')} ELSE ${escape(name)} END`
    })
    // What the database sets with each UPDATE stays as the INSERT has set it.
    const kept = this.#key.metadata.entityMetadata.columns.flatMap(({ onUpdate, databaseName }) =>
      onUpdate === undefined ? [] : [`${escape(databaseName)} = ${escape(databaseName)}`],
    )
    const conditions = rows.map(({ key: value, cells }) => {
      const own = `${key} = ${place(value)}`
      return `(${[own, ...cells.map(([name, before]) => `${escape(name)} = ${place(before)}`)].join(' AND ')})`
    })
    const set = [...assignments, ...kept].join(', ')
    const result = await query(
      `UPDATE ${this.#table} SET ${set} WHERE ${conditions.join(' OR ')}`,
      parameters,
      true,
    )
    const { affected } = (result ?? {}) as { affected?: unknown }
    if (affected !== rows.length) throw this.#lost()
  }

  /** Where values could not be stored, nothing of their rows may stay. */
  async #remove(): Promise<void> {
    const { escape, dialect, query } = this.#connection
    for (const { index, name } of this.#keyless.values) {
      const sql = `DELETE FROM ${this.#table} WHERE ${escape(name)} = ${dialect.placeholder(1)}`
      await query(sql, [this.#provisional.get(index)])
    }
  }

  get #table(): string {
    const { tablePath } = this.#key.metadata.entityMetadata
    return tablePath.split('.').map(this.#connection.escape).join('.')
  }

  #lost(): Error {
    const [{ column } = { column: undefined }] = this.#keyless.values
    const reason = `the database does not tell the ${this.#key.property} of the rows that it inserted, to which the value is bound. Insert the rows one by one, or have the application make the ids.`
    return column ? column.error(RowUnknownError, reason) : new RowUnknownError(reason)
  }

  /** The keys of the rows, in their order: those that were returned, or counted from the one that the driver tells. */
  async #keysOf(result: unknown): Promise<unknown[]> {
    const { raw } = (result ?? {}) as { raw?: unknown }
    const { rows } = this.#keyless
    const { name } = this.#key
    if (Array.isArray(raw) && raw.length === rows) {
      const keys = raw.map((row) => (row as Record<string, unknown>)[name])
      if (!keys.includes(undefined)) return keys
    }
    if (this.#keyless.isMixed) throw this.#lost()
    const last = typeof raw === 'number' || typeof raw === 'bigint' ? BigInt(raw) : undefined
    const first = last === undefined ? insertIdOf(raw) : last - BigInt(rows - 1)
    if (first === undefined || first <= 0n) throw this.#lost()
    const step = rows > 1 ? BigInt(await this.#connection.dialect.keyStep(this.#connection)) : 1n
    return Array.from({ length: rows }, (_, row) => numberOf(first + BigInt(row) * step))
  }
}

function numberOf(value: bigint): number | bigint {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value
}

function insertIdOf(raw: unknown): bigint | undefined {
  const { insertId } = (raw ?? {}) as { insertId?: unknown }
  return typeof insertId === 'number' || typeof insertId === 'string' || typeof insertId === 'bigint'
    ? BigInt(insertId)
    : undefined
}

/** A row that the INSERT returned has the bytes that it had then. */
function returnStored(result: unknown, row: number, name: string, stored: Stored): void {
  for (const rows of Object.values((result ?? {}) as Record<string, unknown>)) {
    const returned: unknown = Array.isArray(rows) ? rows[row] : undefined
    if (typeof returned === 'object' && returned !== null && name in returned)
      Object.assign(returned, { [name]: stored })
  }
}
