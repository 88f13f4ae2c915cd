import { type QueryRunner } from 'typeorm'
import { bytesFromDriver, type Stored, storedFromDriver } from '../../column/driver-value'
import { DriverValueError } from '../../errors'
import { type RowsLayout } from '../column-layout'
import { checkStored } from '../rows/check-stored'
import { type Change, type ColumnRow, rowId } from '../rows/column-rows'
import { HiddenParameter } from '../rows/hidden-parameter'
import { asBuffer } from '../rows/is-same'
import { type Shard } from '../rows/key-order'
import { type RawRow, SqlRows } from '../rows/sql-rows'
import { inTransaction, rolledBack, type RowsTransaction } from '../rows/transaction'
import { thenUndo } from '../then-undo'
import { deferrable, triggers } from './table'

/** Sends a statement and gives the rows that it selects or returns. Some of its parameters are `HiddenParameter`s. */
export type Send = (
  queryRunner: QueryRunner,
  sql: string,
  parameters: readonly unknown[],
) => Promise<RawRow[]>

const sendByTypeorm: Send = async (queryRunner, sql, parameters) => {
  const result = (await queryRunner.query(sql, [...parameters])) as RawRow[] | [RawRow[], number]
  const [rows] = result
  return Array.isArray(rows) ? rows : (result as RawRow[])
}

/**
 * PostgreSQL. A batch is one `UPDATE … FROM unnest(…)`. Each version of a row has its own `ctid` and `xmin`: a row
 * is written only if it still is the version that was read.
 */
export class PostgresRows extends SqlRows {
  readonly #queryRunner: QueryRunner
  readonly #send: Send
  readonly #transaction: RowsTransaction
  /** Has the triggers fire that would wait for the end of the transaction, so that their work is seen. */
  readonly #fireTriggers: string | undefined

  private constructor(queryRunner: QueryRunner, layout: RowsLayout, waiting: readonly string[], send: Send) {
    super(layout)
    this.#queryRunner = queryRunner
    this.#send = send
    this.#transaction = {
      isOpen: () => Promise.resolve(queryRunner.isTransactionActive),
      run: (sql) => queryRunner.query(sql) as Promise<unknown>,
    }
    if (waiting.length > 0) this.#fireTriggers = `SET CONSTRAINTS ${waiting.join(', ')} IMMEDIATE`
  }

  static async over(
    queryRunner: QueryRunner,
    layout: RowsLayout,
    send: Send = sendByTypeorm,
  ): Promise<PostgresRows> {
    return new PostgresRows(queryRunner, layout, await deferrable(queryRunner, layout), send)
  }

  write(changes: readonly Change[]): Promise<ReadonlySet<string>> {
    return inTransaction(this.#transaction, async () => {
      const ids = await this.#update(changes)
      const written = changes.filter(({ row }) => ids.has(row.id))
      if (this.#fireTriggers) await this.query(this.#fireTriggers)
      await checkStored(this.layout, written, await this.again(written.map(({ row }) => row)), () =>
        triggers(this.#queryRunner, this.layout),
      )
      return ids
    })
  }

  tryOut(change: Change): Promise<void> {
    return rolledBack(this.#transaction, async () => {
      await this.#update([change])
      if (this.#fireTriggers) await this.query(this.#fireTriggers)
    })
  }

  async inSnapshot<T>(work: () => Promise<T>): Promise<T> {
    if (this.#queryRunner.isTransactionActive) return work()
    await this.query('START TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY')
    return thenUndo(work, () => this.query('ROLLBACK'))
  }

  protected query(sql: string, parameters: readonly unknown[] = []): Promise<RawRow[]> {
    return this.#send(this.#queryRunner, sql, parameters)
  }

  protected inShard({ index, count }: Shard): string {
    const text = this.layout.keys.map((key) => key.text).join(', ')
    return `MOD(('x' || SUBSTR(MD5(CONCAT_WS('/', ${text})), 1, 7))::bit(28)::int, ${count}) = ${index - 1}`
  }

  protected selected(value: boolean): string {
    const { kind, name, keys } = this.layout
    const columns = keys.map(({ selected }, index) => `${selected} AS _k${index}`)
    const stored = kind === 'binary' ? name : `${name}::text`
    return [
      ...columns,
      ...(value
        ? [`${stored} AS _v`, 'ctid::text AS _c', 'xmin::text AS _x', ...this.bound, ...this.beside]
        : []),
    ].join(', ')
  }

  protected rowOf(raw: RawRow, value: boolean): ColumnRow {
    const { kind, place, keys } = this.layout
    const key = this.#keyOf(raw)
    const row = {
      key,
      id: rowId(key),
      primaryKey: () => Object.fromEntries(keys.map(({ property }, index) => [property, key[index]])),
    }
    if (!value) return { ...row, stored: '' }
    const stored =
      kind === 'binary' ? bytesFromDriver(raw['_v'], place) : storedFromDriver(raw['_v'], 'text', place)
    return {
      ...row,
      ...this.boundOf(raw),
      ...this.besideOf(raw),
      stored,
      version: [this.#text(raw['_c']), this.#text(raw['_x'])],
    }
  }

  async #update(changes: readonly Change[]): Promise<ReadonlySet<string>> {
    const { table, name, keys, kind, storage } = this.layout
    const beside = changes.every((change) => change.beside) ? this.layout.beside : []
    const parameters = this.parameters()
    const list = (valueOf: (change: Change) => unknown, type: string): string =>
      `${parameters.add(changes.map(valueOf))}::${type}[]`
    const hidden = (valueOf: (change: Change) => Stored | null, isBinary: boolean): string => {
      const values = changes.map(valueOf)
      // The bytes of a text: as a text it would be read as PostgreSQL writes bytes, in which a backslash means something.
      const stored = isBinary ? values.map((value) => (value === null ? null : asBuffer(value))) : values
      return `${parameters.add(new HiddenParameter(stored))}::${isBinary ? 'bytea' : 'text'}[]`
    }
    const lists = [
      ...keys.map((_, index) => list(({ row }) => row.key[index], 'text')),
      list(({ row }) => row.version?.[0], 'tid'),
      list(({ row }) => row.version?.[1], 'text'),
      hidden(({ value }) => value, kind === 'binary'),
      ...beside.map((_, at) => hidden((change) => change.beside?.[at] ?? null, storage === 'binary')),
    ]
    const names = keys.map((_, index) => `k${index}`)
    const indexes = beside.map((_, at) => `i${at}`)
    const set = [`${name} = _b.v`, ...beside.map((column, at) => `${column} = _b.i${at}`)]
    const match = keys.map(({ sql, type }, index) => `_t.${sql} = _b.k${index}::${type}`)
    const returned = keys.map(({ sql }, index) => `_t.${sql}::text AS _k${index}`)
    const rows = await this.query(
      `UPDATE ${table} AS _t SET ${set.join(', ')} FROM unnest(${lists.join(', ')}) AS _b(${[...names, 'c', 'x', 'v', ...indexes].join(', ')}) ` +
        `WHERE ${match.join(' AND ')} AND _t.ctid = _b.c AND _t.xmin::text = _b.x RETURNING ${returned.join(', ')}`,
      parameters.values,
    )
    return new Set(rows.map((row) => rowId(this.#keyOf(row))))
  }

  #keyOf(raw: RawRow): string[] {
    return this.layout.keys.map((_, index) => this.#text(raw[`_k${index}`]))
  }

  #text(value: unknown): string {
    if (typeof value === 'string') return value
    throw new DriverValueError(
      `expected the text of a key, got a ${typeof value}. A type parser of pg for text (pg.types.setTypeParser(25, …), or extra.types) converts it: remove it. Nothing was changed.`,
      this.layout.place,
    )
  }
}
