import { type QueryRunner } from 'typeorm'
import { NotRepresentableError } from '../../errors'
import { bytesSql, longestSql } from './bytes-sql'
import { type ColumnLayout } from './column-layout'
import { type Change, type ColumnRow, type ColumnRows, primaryKeyOf, rowId } from './column-rows'
import { isSame } from './is-same'
import { HiddenParameter } from './hidden-parameter'
import {
  afterKey,
  anyKey,
  inShard,
  type KeyPage,
  orderByKey,
  Parameters,
  sameKey,
  type Shard,
} from './key-sql'

/** Most bytes of values in one statement: `max_allowed_packet` is 16 MB by default, and values are sent as hex. */
const STATEMENT_BYTES = 2 ** 20

/**
 * MySQL and MariaDB. A batch is compared under row locks (`SELECT … FOR UPDATE`) and written with one `UPDATE …
 * CASE`, in a short transaction: the lock says that a row is what was read, so no plaintext need be sent for it.
 */
export class MysqlRows implements ColumnRows {
  readonly #queryRunner: QueryRunner
  #knownTransaction: boolean | undefined

  constructor(
    queryRunner: QueryRunner,
    readonly layout: ColumnLayout,
  ) {
    this.#queryRunner = queryRunner
  }

  async count(shard?: Shard): Promise<number> {
    const { table, name } = this.layout
    const where = shard ? ` AND ${inShard(this.layout, shard)}` : ''
    const [row] = await this.#query(`SELECT COUNT(*) AS n FROM ${table} WHERE ${name} IS NOT NULL${where}`)
    return Number(row!.n)
  }

  async longest(plaintext: boolean): Promise<number> {
    const [row] = await this.#query(longestSql(this.layout, plaintext))
    return Number(row!.n)
  }

  page({ after, limit, shard }: KeyPage): Promise<ColumnRow[]> {
    const parameters = new Parameters(this.layout)
    const conditions = [`${this.layout.name} IS NOT NULL`]
    if (after) conditions.push(afterKey(this.layout, after, parameters))
    if (shard) conditions.push(inShard(this.layout, shard))
    return this.#select(conditions, `LIMIT ${limit}`, parameters)
  }

  again(rows: readonly ColumnRow[]): Promise<ColumnRow[]> {
    return this.#selectKeys(rows, this.#queryRunner.isTransactionActive ? 'FOR UPDATE' : '')
  }

  async write(changes: readonly Change[]): Promise<ReadonlySet<string>> {
    const written = new Set<string>()
    for (const part of parts(changes)) {
      for (const id of await this.#inTransaction(() => this.#writePart(part))) written.add(id)
    }
    return written
  }

  async #writePart(changes: readonly Change[]): Promise<string[]> {
    const locked = await this.#selectKeys(
      changes.map(({ row }) => row),
      'FOR UPDATE',
    )
    const now = new Map(locked.map((row) => [row.id, row]))
    const unchanged = changes.filter(({ row }) => isSame(row.stored, now.get(row.id)?.stored))
    if (unchanged.length === 0) return []
    await this.#update(unchanged)
    await this.#checkStored(unchanged)
    return unchanged.map(({ row }) => row.id)
  }

  async #update(changes: readonly Change[]): Promise<void> {
    const { table, name, kind } = this.layout
    // A CASE does not mix character sets, and the new texts are sent in utf8mb4.
    const unchanged = kind === 'text' ? `CONVERT(${name} USING utf8mb4)` : name
    const parameters = new Parameters(this.layout)
    const cases = changes.map(
      ({ row, value }) =>
        `WHEN ${sameKey(this.layout, row.key, parameters)} THEN ${parameters.add(new HiddenParameter(value))}`,
    )
    const keys = changes.map(({ row }) => row.key)
    await this.#query(
      `UPDATE ${table} SET ${name} = CASE ${cases.join(' ')} ELSE ${unchanged} END WHERE ${anyKey(this.layout, keys, parameters)}`,
      parameters.values,
    )
  }

  /** A text column may not have every character, and without strict mode the server stores question marks. */
  async #checkStored(changes: readonly Change[]): Promise<void> {
    if (this.layout.kind !== 'text' || changes.every(({ value }) => isAscii(value))) return
    const rows = await this.#selectKeys(
      changes.map(({ row }) => row),
      '',
    )
    const stored = new Map(rows.map((row) => [row.id, row.stored]))
    for (const { row, value } of changes) {
      if (isSame(value, stored.get(row.id))) continue
      const { column } = this.layout
      throw column
        .error(
          NotRepresentableError,
          `the column cannot hold the value: its type ${this.layout.type} or its character set lacks something. Widen the column (utf8mb4, and longer) and run the same again.`,
        )
        .at({ primaryKey: primaryKeyOf(this.layout, row) })
    }
  }

  #selectKeys(rows: readonly ColumnRow[], suffix: string): Promise<ColumnRow[]> {
    const parameters = new Parameters(this.layout)
    const keys = rows.map(({ key }) => key)
    const conditions = [`${this.layout.name} IS NOT NULL`, anyKey(this.layout, keys, parameters)]
    return this.#select(conditions, suffix, parameters)
  }

  async #select(conditions: string[], suffix: string, parameters: Parameters): Promise<ColumnRow[]> {
    const { table, kind, keys } = this.layout
    // Numbers and dates as text, because JavaScript's would lose digits.
    const selected = keys.map(({ sql, type }, index) =>
      /char|text|binary|blob|uuid/i.test(type)
        ? `${sql} AS _k${index}`
        : `CAST(${sql} AS CHAR) AS _k${index}`,
    )
    const value = bytesSql(this.layout)
    const rows = await this.#query(
      `SELECT ${selected.join(', ')}, ${value} AS _v FROM ${table} WHERE ${conditions.join(' AND ')} ORDER BY ${orderByKey(this.layout)} ${suffix}`,
      parameters.values,
    )
    return rows.map((row) => {
      const key = keys.map(({ type }, index) => keyValue(row[`_k${index}`], type))
      const bytes = row._v as Buffer
      return { key, id: rowId(key), stored: kind === 'binary' ? bytes : bytes.toString('utf8') }
    })
  }

  async #inTransaction<T>(body: () => Promise<T>): Promise<T> {
    if (await this.#hasTransaction()) return body()
    await this.#query('START TRANSACTION')
    try {
      const result = await body()
      await this.#query('COMMIT')
      return result
    } catch (error) {
      await this.#query('ROLLBACK').catch(() => undefined)
      throw error
    }
  }

  /**
   * A change of a table's structure has ended the transaction that TypeORM began for a migration, and TypeORM does
   * not know. A savepoint that cannot be released tells.
   */
  async #hasTransaction(): Promise<boolean> {
    if (!this.#queryRunner.isTransactionActive) return false
    if (this.#knownTransaction !== undefined) return this.#knownTransaction
    await this.#query('SAVEPOINT kms_probe')
    try {
      await this.#query('RELEASE SAVEPOINT kms_probe')
      return (this.#knownTransaction = true)
    } catch {
      return (this.#knownTransaction = false)
    }
  }

  #query(sql: string, parameters: unknown[] = []): Promise<Record<string, unknown>[]> {
    return this.#queryRunner.query(sql, parameters) as Promise<Record<string, unknown>[]>
  }
}

/** The index is used for sure where an integer is compared with an integer. */
function keyValue(value: unknown, type: string): unknown {
  if (!/int/i.test(type)) return value
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}

/** Splits a batch so that no statement grows beyond what servers take. */
export function* parts(changes: readonly Change[]): Generator<Change[]> {
  let part: Change[] = []
  let bytes = 0
  for (const change of changes) {
    const size = Buffer.byteLength(change.value)
    if (part.length > 0 && bytes + size > STATEMENT_BYTES) {
      yield part
      part = []
      bytes = 0
    }
    part.push(change)
    bytes += size
  }
  if (part.length > 0) yield part
}

function isAscii(value: Buffer | string): boolean {
  // eslint-disable-next-line no-control-regex -- all of ASCII
  return typeof value === 'string' && /^[\x00-\x7f]*$/.test(value)
}
