import { randomBytes } from 'node:crypto'
import { MAGIC, VERSION } from '../../cipher/format'
import { RowUnknownError } from '../../errors'
import { type Stored } from '../read/value-opener'
import { rowOfParameter } from '../write/parameter-rows'
import { sealAll } from '../write/parameters'
import { type SealedAhead } from '../write/sealed-ahead'
import { type BindableColumn } from './bindable-column'
import { type GeneratedKeys, type KeylessInsert, type Runner } from './keyless-insert'
import { type Connection } from './located-update'
import { escapedPath } from '../../dialects/escaped-path'

/** Stands for a key that is not known, where it does not matter. */
const ANY_KEY = 0

/** Rows of one UPDATE. */
const ROWS_AT_ONCE = 50

/**
 * Inserts rows with bytes in place of the values, learns their keys, and stores the values in the same transaction:
 * MySQL, MariaDB and SQLite. The bytes open to nothing, and each UPDATE finds its row by them as well as by the key.
 */
export class InsertedKeys implements GeneratedKeys {
  readonly sql: string
  readonly #keyless: KeylessInsert
  readonly #connection: Connection
  readonly #key: BindableColumn
  /** Of the rows that were inserted, as far as they are known. */
  #keys: readonly unknown[] = []
  /** By the number of the parameter. */
  readonly #provisional = new Map<number, Stored>()

  constructor(keyless: KeylessInsert, key: BindableColumn, connection: Connection) {
    this.#keyless = keyless
    this.#key = key
    this.#connection = connection
    const { sql } = keyless.sent
    this.sql = connection.dialect.mustReturnKeys ? `${sql} RETURNING ${connection.escape(key.name)}` : sql
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
    const keys = (this.#keys = await this.#keysOf(result))
    const { values, sent } = this.#keyless
    const stored = await Promise.all(
      values.map(async ({ row, index, pending, column }) => {
        const given = rowOfParameter(sent, index)
        const recipe = column.recipes.of((name) => (name === this.#key.name ? keys[row] : given(name)))
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
    if (affected !== rows.length) throw this.#altered()
  }

  /** Where its values could not be stored, nothing of the only row may stay. A trigger may have changed the bytes. */
  async #remove(): Promise<void> {
    const { escape, dialect, query } = this.#connection
    const [key] = this.#keys
    const cells = this.#keyless.values.map(({ index, name }): [string, unknown] => [
      name,
      this.#provisional.get(index),
    ])
    const found: [string, unknown][] = key === undefined ? cells : [[this.#key.name, key]]
    for (const [name, value] of found) {
      const sql = `DELETE FROM ${this.#table} WHERE ${escape(name)} = ${dialect.placeholder(1)}`
      await query(sql, [value])
    }
  }

  get #table(): string {
    const { tablePath } = this.#key.metadata.entityMetadata
    return escapedPath(tablePath, this.#connection.escape)
  }

  #altered(): Error {
    return this.#unknown(
      `not all rows that were inserted have their ${this.#key.property} and the bytes that stood for the value: a trigger changed them. Have it leave both alone, or have the application make the ids.`,
    )
  }

  #lost(): Error {
    return this.#unknown(
      `the database does not tell the ${this.#key.property} of the rows that it inserted, to which the value is bound. Insert the rows one by one, or have the application make the ids.`,
    )
  }

  #unknown(reason: string): Error {
    const [{ column } = { column: undefined }] = this.#keyless.values
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
