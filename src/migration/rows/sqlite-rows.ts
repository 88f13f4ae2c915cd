import { type QueryRunner } from 'typeorm'
import { longestSql } from './bytes-sql'
import { type ColumnLayout } from './column-layout'
import { type Change, type ColumnRow, type ColumnRows, rowId } from './column-rows'
import { asBuffer } from './is-same'
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

/** What is used of better-sqlite3. */
interface Connection {
  prepare(sql: string): Statement
  transaction<T>(body: () => T): { immediate(): T }
}
interface Statement {
  safeIntegers(): Statement
  all(...parameters: unknown[]): Record<string, unknown>[]
  run(...parameters: unknown[]): { changes: number | bigint }
}

/**
 * SQLite, through the driver's own connection: it is synchronous, so a batch is one transaction of prepared
 * statements in which nothing else of this process can come between, and its parameters are in no log.
 */
export class SqliteRows implements ColumnRows {
  readonly #connection: Connection

  private constructor(
    connection: Connection,
    readonly layout: ColumnLayout,
  ) {
    this.#connection = connection
  }

  static async over(queryRunner: QueryRunner, layout: ColumnLayout): Promise<SqliteRows> {
    return new SqliteRows((await queryRunner.connect()) as Connection, layout)
  }

  count(shard?: Shard): Promise<number> {
    const { table, name } = this.layout
    const where = shard ? ` AND ${inShard(this.layout, shard)}` : ''
    return attempt(() => {
      const [row] = this.#connection
        .prepare(`SELECT COUNT(*) AS n FROM ${table} WHERE ${name} IS NOT NULL${where}`)
        .all()
      return Number(row!.n)
    })
  }

  longest(plaintext: boolean): Promise<number> {
    return attempt(() => {
      const [row] = this.#connection.prepare(longestSql(this.layout, plaintext)).all()
      return Number(row!.n)
    })
  }

  page({ after, limit, shard }: KeyPage): Promise<ColumnRow[]> {
    const parameters = new Parameters(this.layout)
    const conditions = [`${this.layout.name} IS NOT NULL`]
    if (after) conditions.push(afterKey(this.layout, after, parameters))
    if (shard) conditions.push(inShard(this.layout, shard))
    return this.#select(conditions, `LIMIT ${limit}`, parameters)
  }

  again(rows: readonly ColumnRow[]): Promise<ColumnRow[]> {
    const parameters = new Parameters(this.layout)
    const keys = rows.map(({ key }) => key)
    const conditions = [`${this.layout.name} IS NOT NULL`, anyKey(this.layout, keys, parameters)]
    return this.#select(conditions, '', parameters)
  }

  write(changes: readonly Change[]): Promise<ReadonlySet<string>> {
    const { table, name } = this.layout
    const placeholders = new Parameters(this.layout)
    const statement = this.#connection.prepare(
      `UPDATE ${table} SET ${name} = ? WHERE ${sameKey(this.layout, [], placeholders)} AND CAST(${name} AS BLOB) = ?`,
    )
    const writeAll = this.#connection.transaction(() => {
      const written = new Set<string>()
      for (const { row, value } of changes) {
        if (statement.run(value, ...row.key, asBuffer(row.stored)).changes) written.add(row.id)
      }
      return written
    })
    return attempt(() => writeAll.immediate())
  }

  #select(conditions: string[], suffix: string, parameters: Parameters): Promise<ColumnRow[]> {
    const { table, name, keys } = this.layout
    const selected = keys.map(({ sql }, index) => `${sql} AS _k${index}`)
    const sql =
      `SELECT ${selected.join(', ')}, ${name} AS _v FROM ${table} ` +
      `WHERE ${conditions.join(' AND ')} ORDER BY ${orderByKey(this.layout)} ${suffix}`
    return attempt(() => {
      const rows = this.#connection
        .prepare(sql)
        .safeIntegers()
        .all(...parameters.values)
      return rows.map((row) => {
        const key = keys.map((_, index) => row[`_k${index}`])
        const stored = row._v as Buffer | string | number | bigint
        const text = typeof stored === 'number' || typeof stored === 'bigint' ? String(stored) : stored
        return { key, id: rowId(key), stored: text }
      })
    })
  }
}

/** Synchronous work as a promise, so that its failure is one of the promise. */
function attempt<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(work())
  })
}
