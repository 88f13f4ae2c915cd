import { isUtf8 } from 'node:buffer'
import { type QueryRunner } from 'typeorm'
import { bytesFromDriver, type Stored } from '../../column/driver-value'
import { type RowsLayout } from '../column-layout'
import { checkStored } from '../rows/check-stored'
import { type Change, type ColumnRow, rowId } from '../rows/column-rows'
import { HiddenParameter } from '../rows/hidden-parameter'
import { isDelivered, isSame } from '../rows/is-same'
import { anyKey, type KeyColumn, sameKey, type Shard } from '../rows/key-order'
import { parts } from '../rows/parts'
import { inTransaction, rolledBack } from '../rows/transaction'
import { type RawRow, SqlRows } from '../rows/sql-rows'
import { thenUndo } from '../then-undo'
import { bytesSql, isWholeSql } from './bytes'
import { columnsSetOnUpdate, hasNoTransactions, triggers } from './table'
import { MysqlTransaction } from './transaction'
import { ColumnTypeError } from '../../errors'

/** Types whose text a person reads as it is. */
const SHOWN_AS_TEXT = new Set([
  'enum',
  'set',
  'char',
  'varchar',
  'tinytext',
  'text',
  'mediumtext',
  'longtext',
])

/**
 * MySQL and MariaDB. A batch is compared under row locks (`SELECT … FOR UPDATE`) and written with one `UPDATE …
 * CASE`, in a short transaction: the lock says that a row is what was read, so no plaintext need be sent for it.
 */
export class MysqlRows extends SqlRows {
  readonly #queryRunner: QueryRunner
  readonly #transaction: MysqlTransaction
  /** Assignments of columns to themselves, which the database would set to the time of the UPDATE. */
  readonly #kept: string

  private constructor(
    queryRunner: QueryRunner,
    layout: RowsLayout,
    kept: readonly string[],
    /** What is tried out could not be taken back otherwise, and rows are not locked. */
    private readonly canUndo: boolean,
  ) {
    super(layout)
    this.#queryRunner = queryRunner
    this.#transaction = new MysqlTransaction(queryRunner)
    this.#kept = kept.map((name) => `, ${name} = ${name}`).join('')
  }

  static async over(queryRunner: QueryRunner, layout: RowsLayout): Promise<MysqlRows> {
    const canUndo = !(await hasNoTransactions(queryRunner, layout))
    const altering = canUndo ? [] : await triggers(queryRunner, layout)
    if (altering.length > 0) {
      throw new ColumnTypeError(
        `the table has the triggers ${altering.join(', ')} and an engine that has no transactions, so that what they make of a value could not be taken back. Change the engine first: ALTER TABLE ${layout.table} ENGINE = InnoDB; or drop the triggers meanwhile. Nothing was changed.`,
        layout.place,
      )
    }
    return new MysqlRows(queryRunner, layout, await columnsSetOnUpdate(queryRunner, layout), canUndo)
  }

  override async again(rows: readonly ColumnRow[]): Promise<ColumnRow[]> {
    if (rows.length === 0) return []
    return this.selectRows(rows, (await this.#transaction.isOpen()) ? 'FOR UPDATE' : '')
  }

  async write(changes: readonly Change[]): Promise<ReadonlySet<string>> {
    const written = new Set<string>()
    for (const part of parts(changes)) {
      const write = () => this.#writePart(part)
      const ids = this.canUndo ? inTransaction(this.#transaction, write) : this.#whileLocked(write)
      for (const id of await ids) written.add(id)
    }
    return written
  }

  /** An engine without transactions has no locks of rows. In a transaction, `LOCK TABLES` would end that. */
  async #whileLocked<T>(work: () => Promise<T>): Promise<T> {
    if (await this.#transaction.isOpen()) return work()
    await this.query(`LOCK TABLES ${this.layout.table} WRITE`)
    return thenUndo(work, () => this.query('UNLOCK TABLES'))
  }

  async tryOut(change: Change): Promise<void> {
    if (this.canUndo) await rolledBack(this.#transaction, () => this.#update([change]))
  }

  inSnapshot<T>(work: () => Promise<T>): Promise<T> {
    return this.#transaction.inSnapshot(work)
  }

  protected query(sql: string, parameters: readonly unknown[] = []): Promise<RawRow[]> {
    return this.#queryRunner.query(sql, [...parameters]) as Promise<RawRow[]>
  }

  protected inShard({ index, count }: Shard): string {
    const text = this.layout.keys.map((key) => key.text).join(', ')
    return `MOD(CRC32(CONCAT_WS(0x00, ${text})), ${count}) = ${index - 1}`
  }

  protected selected(value: boolean): string {
    const columns = this.layout.keys.flatMap(({ selected, sql, type }, index) => [
      `${selected} AS _k${index}`,
      ...(SHOWN_AS_TEXT.has(type) ? [`CAST(CONVERT(${sql} USING utf8mb4) AS BINARY) AS _s${index}`] : []),
    ])
    if (!value) return columns.join(', ')
    const isWhole = isWholeSql(this.layout)
    const stored = [`${bytesSql(this.layout)} AS _v`, ...(isWhole === undefined ? [] : [`${isWhole} AS _w`])]
    return [...columns, ...stored, ...this.bound, ...this.beside].join(', ')
  }

  protected rowOf(raw: RawRow, value: boolean): ColumnRow {
    const { keys, kind, place } = this.layout
    const key = keys.map((_, index) => bytesFromDriver(raw[`_k${index}`], place))
    const bytes = value ? bytesFromDriver(raw['_v'], place) : Buffer.alloc(0)
    return {
      key,
      id: rowId(key),
      stored: kind === 'binary' ? bytes : bytes.toString('utf8'),
      ...(value ? { ...this.boundOf(raw), ...this.besideOf(raw) } : {}),
      // Halves of a pair, as ucs2 may hold them, are no UTF-8.
      ...(value && kind !== 'binary' && { isWhole: Number(raw['_w']) === 1 && isUtf8(bytes) }),
      primaryKey: () =>
        Object.fromEntries(
          keys.map((column, index) => [column.property, shown(column, raw[`_s${index}`] ?? key[index])]),
        ),
    }
  }

  async #writePart(changes: readonly Change[]): Promise<string[]> {
    const locked = await this.selectRows(
      changes.map(({ row }) => row),
      'FOR UPDATE',
    )
    const now = new Map(locked.map((row) => [row.id, row]))
    const unchanged = changes.filter(({ row }) => this.#isUnchanged(row, now.get(row.id)))
    if (unchanged.length === 0) return []
    await this.#update(unchanged)
    const rows = unchanged.map(({ row }) => row)
    await checkStored(this.layout, unchanged, await this.selectRows(rows, ''), () =>
      triggers(this.#queryRunner, this.layout),
    )
    return rows.map(({ id }) => id)
  }

  /** The value, and what its indexes are made of besides. */
  #isUnchanged(row: ColumnRow, now: ColumnRow | undefined): boolean {
    if (!isSame(row.stored, now?.stored)) return false
    return this.layout.bound.every(({ name }) => isDelivered(row.valueOf(name), now?.valueOf(name)))
  }

  async #update(changes: readonly Change[]): Promise<void> {
    const { table, name, kind, keys, storage, beside } = this.layout
    const parameters = this.parameters()
    const assigned = (
      column: string,
      isText: boolean,
      valueOf: (change: Change) => Stored | null,
    ): string => {
      const cases = changes.map(
        (change) =>
          `WHEN ${sameKey(keys, change.row.key, parameters)} THEN ${parameters.add(new HiddenParameter(valueOf(change)))}`,
      )
      // A CASE does not mix character sets, and the new texts are sent in utf8mb4.
      const unchanged = isText ? `CONVERT(${column} USING utf8mb4)` : column
      return `${column} = CASE ${cases.join(' ')} ELSE ${unchanged} END`
    }
    const indexes = changes.every((change) => change.beside) ? beside : []
    const set = [
      assigned(name, kind === 'text', ({ value }) => value),
      ...indexes.map((column, at) =>
        assigned(column, storage === 'text', (each) => each.beside?.[at] ?? null),
      ),
    ]
    const wanted = changes.map(({ row }) => row.key)
    await this.query(
      `UPDATE ${table} SET ${set.join(', ')}${this.#kept} WHERE ${anyKey(keys, wanted, parameters)}`,
      parameters.values,
    )
  }
}

function shown({ type }: KeyColumn, value: unknown): string {
  return (value as Buffer).toString(/binary|blob/.test(type) ? 'hex' : 'utf8')
}
