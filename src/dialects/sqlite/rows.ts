import { isUtf8 } from 'node:buffer'
import { type QueryRunner } from 'typeorm'
import { bytesFromDriver, type Stored } from '../../column/driver-value'
import { ColumnTypeError, RowsLeftOutError } from '../../errors'
import { type RowsLayout } from '../column-layout'
import { alteredError, findAltered } from '../rows/check-stored'
import { type Change, type ColumnRow, rowId } from '../rows/column-rows'
import { asBuffer } from '../rows/is-same'
import { type KeyColumn, sameKey, type Shard } from '../rows/key-order'
import { type RawRow, SqlRows } from '../rows/sql-rows'
import { type Access, attempt, type Connection, driverOf } from './connection'
import { rowidOf, TextKey } from './keys'
import { TRIGGERS } from './table'

/**
 * SQLite, through the driver's own connection: it is synchronous, so a batch is one transaction of prepared
 * statements in which nothing else of this process can come between, and its parameters are in no log. Rows are gone
 * through by their rowid where they have one: it is a number, is never NULL, and tells any two rows apart.
 */
export class SqliteRows extends SqlRows {
  readonly #connection: Connection
  readonly #order: readonly KeyColumn[]
  /** Number that changes with VACUUM, which may give rows other rowids. */
  readonly #schemaVersion: unknown

  readonly #save: () => Promise<void>

  private constructor(
    layout: RowsLayout,
    connection: Connection,
    rowid: string | undefined,
    save: () => Promise<void>,
  ) {
    super(layout)
    this.#connection = connection
    this.#save = save
    this.#order = rowid ? [rowidColumn(rowid)] : layout.keys
    this.#schemaVersion = rowid && !layout.keys.some(isRowid) ? this.#readSchemaVersion() : undefined
  }

  static async over(access: Access, queryRunner: QueryRunner, layout: RowsLayout): Promise<SqliteRows> {
    const driver = driverOf(queryRunner)
    const connection = access.connection(driver)
    const query = (sql: string, parameters: unknown[]): RawRow[] => connection.prepare(sql).all(...parameters)
    const [{ encoding } = { encoding: undefined }] = query('PRAGMA encoding', [])
    if (encoding !== 'UTF-8') {
      throw new ColumnTypeError(
        `the database keeps its texts in ${String(encoding)} (PRAGMA encoding), so that the bytes of a text are not those of its UTF-8. Copy it into a database in UTF-8 first, for example with .dump of the sqlite3 shell. Nothing was changed.`,
        layout.place,
      )
    }
    return new SqliteRows(layout, connection, await rowidOf(query, layout.path), () => access.save(driver))
  }

  async write(changes: readonly Change[]): Promise<ReadonlySet<string>> {
    const writeAll = this.#connection.transaction(() => {
      const written = new Set(changes.filter((change) => this.#update(change)).map(({ row }) => row.id))
      const sent = changes.filter(({ row }) => written.has(row.id))
      const altered = findAltered(sent, this.#read(sent.map(({ row }) => row)))
      if (altered) throw alteredError(this.layout, altered, this.#triggers())
      return written
    })
    const written = await attempt(() => writeAll.immediate())
    await this.#save()
    return written
  }

  tryOut(change: Change): Promise<void> {
    const done = new Error('done')
    const tried = this.#connection.transaction(() => {
      this.#update(change)
      throw done
    })
    return attempt(() => {
      tried.immediate()
    }).catch((error: unknown) => {
      if (error !== done) throw error
    })
  }

  /** The connection is shared with the application, whose statements must not come into a transaction of ours. */
  inSnapshot<T>(work: () => Promise<T>): Promise<T> {
    return work()
  }

  override checkOrder(): Promise<void> {
    if (this.#schemaVersion === this.#readSchemaVersion() || this.#schemaVersion === undefined)
      return Promise.resolve()
    return Promise.reject(
      new RowsLeftOutError(
        'the structure of the database was changed or VACUUM was run meanwhile, so that rows may have moved and been left out. Run the same again.',
        this.layout.place,
      ),
    )
  }

  protected override get order(): readonly KeyColumn[] {
    return this.#order
  }

  protected query(sql: string, parameters: readonly unknown[] = []): Promise<RawRow[]> {
    return attempt(() => this.#all(sql, parameters))
  }

  /** SQLite has no hash function: the last digits of the key, in hexadecimal, weighted. */
  protected inShard({ index, count }: Shard): string {
    const digits = this.layout.keys.flatMap(({ text }) =>
      [1, 7, 3, 31, 13, 61].map(
        (weight, place) => `${weight} * unicode(substr('000000' || ${text}, -${place + 1}, 1))`,
      ),
    )
    return `(${digits.join(' + ')}) % ${count} = ${index - 1}`
  }

  protected selected(value: boolean): string {
    const { keys, name } = this.layout
    const typed = (columns: readonly KeyColumn[], prefix: string): string[] =>
      columns.flatMap(({ sql, selected }, index) => [
        `${selected} AS _${prefix}${index}`,
        `typeof(${sql}) AS _${prefix}t${index}`,
      ])
    const stored = value
      ? [`CAST(${name} AS BLOB) AS _v`, `typeof(${name}) AS _vt`, ...this.bound, ...this.beside]
      : []
    return [...typed(this.#order, 'k'), ...typed(keys, 's'), ...stored].join(', ')
  }

  protected rowOf(raw: RawRow, value: boolean): ColumnRow {
    const { keys, place } = this.layout
    const typed = (prefix: string, index: number): unknown => {
      const part = raw[`_${prefix}${index}`]
      return raw[`_${prefix}t${index}`] === 'text' ? new TextKey(bytesFromDriver(part, place)) : part
    }
    const key = this.#order.map((_, index) => typed('k', index))
    return {
      key,
      id: rowId(key),
      ...(value ? { ...this.boundOf(raw), ...this.besideOf(raw) } : {}),
      stored: value ? storedOf(bytesFromDriver(raw['_v'], place), raw['_vt']) : '',
      primaryKey: () =>
        Object.fromEntries(keys.map(({ property }, index) => [property, shown(typed('s', index))])),
    }
  }

  #update({ row, value, beside }: Change): boolean {
    const { table, name } = this.layout
    const parameters = this.parameters()
    const set = [`${name} = ${parameters.add(value)}`]
    for (const [at, index] of beside?.entries() ?? [])
      set.push(`${this.layout.beside[at] ?? ''} = ${parameters.add(index)}`)
    const where = sameKey(this.#order, row.key, parameters)
    const unchanged = parameters.add(asBuffer(row.stored))
    const others = this.layout.bound.map(({ name: other, sql }) => {
      return ` AND ${sql} IS ${parameters.add(row.valueOf(other))}`
    })
    const { changes } = this.#prepared(
      `UPDATE ${table} SET ${set.join(', ')} WHERE ${where} AND CAST(${name} AS BLOB) = ${unchanged}${others.join('')}`,
    ).run(...parameters.values)
    return Number(changes) > 0
  }

  /** The rows as they are now, one by one: a batch is in the memory of this process. */
  #read(rows: readonly ColumnRow[]): ColumnRow[] {
    const { table, name } = this.layout
    return rows.flatMap((row) => {
      const parameters = this.parameters()
      const where = sameKey(this.#order, row.key, parameters)
      const sql = `SELECT ${this.selected(true)} FROM ${table} WHERE ${where} AND ${name} IS NOT NULL`
      return this.#all(sql, parameters.values).map((raw) => this.rowOf(raw, true))
    })
  }

  #triggers(): string[] {
    return this.#all(TRIGGERS, this.layout.path.split('.').slice(-1)).map(({ name }) => String(name))
  }

  #readSchemaVersion(): unknown {
    return this.#all('PRAGMA schema_version', [])[0]?.['schema_version']
  }

  #all(sql: string, parameters: readonly unknown[]): RawRow[] {
    return this.#prepared(sql)
      .safeIntegers()
      .all(...parameters)
  }

  /** Prepared once while the same statement is used row after row. */
  #prepared(sql: string): ReturnType<Connection['prepare']> {
    if (this.#last?.sql !== sql) this.#last = { sql, statement: this.#connection.prepare(sql) }
    return this.#last.statement
  }
  #last: { sql: string; statement: ReturnType<Connection['prepare']> } | undefined
}

function rowidColumn(name: string): KeyColumn {
  return {
    property: name,
    sql: name,
    type: 'integer',
    selected: name,
    text: name,
    value: (key, parameters) => parameters.add(key),
  }
}

/** True for a column that is another name of the rowid, or may be: its values stay through VACUUM. */
function isRowid({ type }: KeyColumn, _index: number, { length }: readonly KeyColumn[]): boolean {
  return length === 1 && type.toUpperCase() === 'INTEGER'
}

/** Text that is not UTF-8 stays bytes, so that none is lost. */
function storedOf(bytes: Buffer, type: unknown): Stored {
  return type === 'blob' || !isUtf8(bytes) ? bytes : bytes.toString('utf8')
}

function shown(value: unknown): string {
  if (value instanceof TextKey) return value.bytes.toString('utf8')
  return Buffer.isBuffer(value) ? value.toString('hex') : String(value)
}
