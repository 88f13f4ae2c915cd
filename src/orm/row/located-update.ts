import { type Dialect } from '../../dialects/dialect'
import { type KmsEncryptionError, RowUnknownError } from '../../errors'
import { type EncryptedColumn } from '../encrypted-column'
import { rowsOfUpdate } from '../statement/rows-of-update'
import { type Updated } from '../statement/statement'
import { rowOfParameter, type SentStatement } from '../write/parameter-rows'
import { sealAll } from '../write/parameters'
import { type SealedAhead } from '../write/sealed-ahead'
import { PendingCiphertext, PendingPlaintext } from '../write/tokens'
import { type BindableColumn } from './bindable-column'
import { type Moved, type MovedValues } from './moved-values'

/** What is needed to send statements. */
export interface Connection {
  readonly dialect: Pick<Dialect, 'placeholder' | 'locksRows' | 'keyStep' | 'mustReturnKeys'>
  readonly escape: (name: string) => string
  readonly isInTransaction: boolean
  readonly query: (sql: string, parameters?: unknown[], structured?: boolean) => Promise<unknown>
}

/** How often rows are looked at that others change in between. */
const MAX_ATTEMPTS = 8

/**
 * An UPDATE of values that are bound to more than it says of its rows. What they have is read first, locked where a
 * transaction is open, and the UPDATE is sent for rows that still have it and for no others: so nothing is stored in a
 * row that it was not encrypted for, whoever else writes.
 */
export class LocatedUpdate {
  readonly #sent: SentStatement
  readonly #updated: Updated
  readonly #missing: readonly BindableColumn[]
  readonly #column: EncryptedColumn
  readonly #connection: Connection
  /** Values that only move with their row, by the number of their parameter. */
  readonly #moved: ReadonlyMap<number, Moved>
  #text: string
  /** How many rows it is to change. */
  #rows = 0
  #attempts = 0

  private constructor(
    sent: SentStatement,
    updated: Updated,
    missing: readonly BindableColumn[],
    column: EncryptedColumn,
    connection: Connection,
    moved: ReadonlyMap<number, Moved>,
  ) {
    this.#moved = moved
    this.#sent = sent
    this.#updated = updated
    this.#missing = missing
    this.#column = column
    this.#connection = connection
    this.#text = sent.sql
  }

  /** `undefined` if the statement says all that its values are bound to, or cannot be found out more about. */
  static of(sent: SentStatement, connection: Connection, announced: MovedValues): LocatedUpdate | undefined {
    const { statement, parameters } = sent
    if (!statement?.updated) return undefined
    const assigned = new Set(statement.assignments.map(({ name }) => name))
    const missing = new Set<BindableColumn>()
    const moved = new Map<number, Moved>()
    let first: EncryptedColumn | undefined
    for (const [index, value] of parameters.entries()) {
      if (!(value instanceof PendingCiphertext) || value instanceof PendingPlaintext) continue
      if (value.column.recipes.constant) continue
      const row = rowOfParameter(sent, index)
      const only = announced.isEmpty ? undefined : announced.take(value.column.cell, row)
      if (only && value.is(only.plaintext)) {
        moved.set(index, only)
        first ??= value.column
      }
      for (const column of value.column.recipes.dependsOn) {
        if (row(column.name) !== undefined || assigned.has(column.name)) continue
        missing.add(column)
        first ??= value.column
      }
    }
    return first && new LocatedUpdate(sent, statement.updated, [...missing], first, connection, moved)
  }

  /** The text to be sent. */
  get sql(): string {
    return this.#text
  }

  /** Reads the rows and encrypts the values for them. Throws `RowUnknownError` if they differ in what binds. */
  async seal(ahead: SealedAhead): Promise<readonly unknown[]> {
    if (this.#attempts++ === MAX_ATTEMPTS) throw this.#contended()
    const rows = (await this.#read()) as Record<string, unknown>[]
    this.#rows = rows.length
    const [row, ...others] = rows
    if (!row) {
      this.#restrict('1 = 0')
      return this.#sent.parameters.map((value) => (value instanceof PendingCiphertext ? null : value))
    }
    for (const column of this.#missing) {
      const text = column.textOf(row[column.name])
      if (others.every((other) => column.textOf(other[column.name]) === text)) continue
      throw this.#column.error(
        RowUnknownError,
        `the update changes ${rows.length} rows that differ in ${column.property}, to which the value is bound: each needs a ciphertext of its own. Load the entities and save() them, or update them one by one.`,
      )
    }
    const { statement, sql } = this.#sent
    const parameters = this.#restrictTo(row, await this.#asTheyAre(row))
    return sealAll(
      parameters,
      () => ({ statement, sql, parameters }),
      ahead,
      (name) => row[name],
    )
  }

  /** The parameters, with what the row has now in place of values that only move with it. */
  async #asTheyAre(row: Record<string, unknown>): Promise<readonly unknown[]> {
    const parameters = [...this.#sent.parameters]
    for (const [index, { name, plaintext, isSearched, open }] of this.#moved) {
      const before = parameters[index]
      if (!(before instanceof PendingCiphertext)) continue
      const { column } = before
      const stored = row[name]
      const isNull = stored === null || stored === undefined
      const now = isNull
        ? undefined
        : await open(stored, (other) => row[other]).catch((error: unknown) => {
            throw column.placed(error)
          })
      if (now && Buffer.compare(now, Buffer.from(plaintext)) === 0) continue
      if (isSearched) throw this.#overtaken(column)
      parameters[index] = now === undefined ? null : new PendingCiphertext(column, now)
    }
    return parameters
  }

  /** True if others have changed what a row has in between. */
  hasMissed(result: unknown): boolean {
    const { affected } = (result ?? {}) as { affected?: unknown }
    return typeof affected === 'number' && affected < this.#rows
  }

  #contended(): KmsEncryptionError {
    return this.#column.error(
      RowUnknownError,
      `others changed ${this.#missing.map(({ property }) => property).join(', ')} of the rows each time that they were to be updated. Update them in a transaction, which locks them.`,
    )
  }

  /** Its blind index is in the statement already. */
  #overtaken(column: EncryptedColumn): KmsEncryptionError {
    return column.error(
      RowUnknownError,
      'others changed the value while save() moved its row to what it is bound to. Load the entity again, and repeat the change.',
    )
  }

  #read(): Promise<unknown> {
    const { dialect, escape, isInTransaction, query } = this.#connection
    const { sql, parameters } = this.#sent
    const moved = [...this.#moved.values()].flatMap(({ name, boundTo }) => [name, ...boundTo])
    const wanted = new Set([...this.#missing.map(({ name }) => name), ...moved])
    const names = Array.from(wanted, escape)
    const rows = rowsOfUpdate(sql, this.#updated, parameters, names, (at) => dialect.placeholder(at))
    const lock = isInTransaction && dialect.locksRows ? ' FOR UPDATE' : ''
    return query(rows.sql + lock, rows.parameters)
  }

  /** Has the UPDATE change only rows that have these values still. Returns its parameters. */
  #restrictTo(row: Record<string, unknown>, parameters: readonly unknown[]): readonly unknown[] {
    const { dialect, escape } = this.#connection
    const { placeholders } = this.#updated.condition
    // Numbered ones stand for the same wherever they are; others must stand where their place in the text is.
    const isNumbered = dialect.placeholder(1) !== dialect.placeholder(2)
    const behind = Math.max(-1, ...placeholders.map(({ index }) => index)) + 1
    const at = isNumbered || placeholders.length === 0 ? parameters.length : behind
    const values: unknown[] = []
    const names = [...this.#missing, ...this.#moved.values()].map(({ name }) => name)
    const conditions = names.map((name) => {
      const value = row[name]
      if (value === null || value === undefined) return `${escape(name)} IS NULL`
      return `${escape(name)} = ${dialect.placeholder(at + values.push(value))}`
    })
    this.#restrict(conditions.join(' AND '))
    return parameters.toSpliced(at, 0, ...values)
  }

  #restrict(condition: string): void {
    const { sql } = this.#sent
    const [start, end] = this.#updated.condition.span
    this.#text = `${sql.slice(0, start)}(${sql.slice(start, end)}) AND ${condition}${sql.slice(end)}`
  }
}
