import { type DataSource } from 'typeorm'
import { type StoredDataKey } from '../../cipher/data-keys/store'
import { dialectOf } from '../../dialects'
import { InvalidOptionError, RowsHiddenError } from '../../errors'
import { type Encrypted } from '../../kms/key-service'
import { KEY_TABLE_COLUMNS } from '../../orm/key-table/entity'
import { type KeyTable, keyTables } from '../../orm/key-table/key-table'
import { rowsHidden } from '../column-contents'
import { withRunner } from '../target'

/** Rows in one statement. */
const BATCH = 500

type Name = keyof typeof KEY_TABLE_COLUMNS

/**
 * The rows of the key table as an operator works on them. Each change is made only where the row still is what it was
 * when it was read, and is read again: databases and drivers do not agree on how to count what was changed.
 */
export class KeyTableRows {
  readonly table: KeyTable
  readonly #dataSource: DataSource

  /** Throws `InvalidOptionError` for a DataSource that was not configured. */
  constructor(dataSource: DataSource) {
    const table = keyTables.get(dataSource)
    if (!table) {
      throw new InvalidOptionError(
        'the DataSource was not configured: wrap its options in encryption.configure()',
      )
    }
    this.table = table
    this.#dataSource = dataSource
  }

  /**
   * All rows, destroyed ones too, the newest first. Throws `KeyTableMissingError`, `KeyTableUnavailableError`, and
   * `RowsHiddenError` where these may not be all.
   */
  async all(): Promise<StoredDataKey[]> {
    const rows = await this.table.select('1 = 1')
    await this.requireAll()
    return rows
  }

  /** Throws `RowsHiddenError` if something may hide rows of it from this role. */
  async requireAll(): Promise<void> {
    const { name: path, sql: table } = this.table
    const hiddenBy = await withRunner(this.#dataSource, (queryRunner) =>
      dialectOf(this.#dataSource.options).hiddenBy(queryRunner, { path, table }),
    )
    if (hiddenBy) throw new RowsHiddenError(rowsHidden(path, hiddenBy))
  }

  async find(ids: readonly Buffer[]): Promise<StoredDataKey[]> {
    const rows: StoredDataKey[] = []
    for (let first = 0; first < ids.length; first += BATCH) {
      rows.push(...(await this.table.find(ids.slice(first, first + BATCH))))
    }
    return rows
  }

  /**
   * Puts the same data key, encrypted under another KMS key, in the place of what was read; false if that is gone.
   * `retiredAt`: it seals nothing from then on.
   */
  async move(
    row: StoredDataKey,
    { ciphertext, keyReference }: Encrypted,
    retiredAt?: Date,
  ): Promise<boolean> {
    const before = Buffer.from(row.encrypted ?? [])
    const moved = Buffer.from(ciphertext)
    const sql = new Sql(this.#dataSource)
    const retired = retiredAt && !row.retiredAt ? `${sql.assign('retiredAt', retiredAt.getTime())}, ` : ''
    await this.table.run(
      `UPDATE ${this.table.sql} SET ${retired}${sql.assign('kmsKey', keyReference)}, ${sql.assign('encryptedDataKey', moved)}` +
        ` WHERE ${sql.is('id', row.id)} AND ${sql.is('encryptedDataKey', before)} AND ${sql.isNull('destroyedAt')}`,
      sql.parameters,
    )
    const [found] = await this.find([row.id])
    return found?.encrypted !== undefined && moved.equals(found.encrypted)
  }

  /** From now on nothing is sealed under these, and at a time they may be destroyed. Returns the rows as they are now. */
  retire(rows: readonly StoredDataKey[], at: Date, destroyAt: Date): Promise<StoredDataKey[]> {
    return this.#change(rows, (sql) => {
      const retired = sql.name('retiredAt')
      const earlier = `CASE WHEN ${retired} IS NULL THEN ${sql.value(at.getTime())} ELSE ${retired} END`
      return `${retired} = ${earlier}, ${sql.assign('destroyAt', destroyAt.getTime())}`
    })
  }

  /** Nothing more is sealed under these; they go on opening. */
  end(rows: readonly StoredDataKey[], at: Date): Promise<StoredDataKey[]> {
    return this.#change(rows, (sql) => sql.assign('retiredAt', at.getTime()))
  }

  /**
   * They are not to be destroyed after all. Those of values go on opening and seal nothing more: a rotation may have
   * retired them before, since somebody had seen them or put them there. Of those of indexes there is one for a context.
   */
  restore(rows: readonly StoredDataKey[]): Promise<StoredDataKey[]> {
    return this.#change(rows, (sql) => {
      const retired = sql.name('retiredAt')
      const isOfIndex = sql.is('purpose', 'index')
      return `${sql.name('destroyAt')} = NULL, ${retired} = CASE WHEN ${isOfIndex} THEN NULL ELSE ${retired} END`
    })
  }

  /** Their data keys are gone, unless they were restored meanwhile; the rows stay, without them. */
  destroy(
    rows: readonly StoredDataKey[],
    at: Date,
    { emptyContext }: { emptyContext: boolean },
  ): Promise<StoredDataKey[]> {
    const destroyed = (sql: Sql): string => {
      const empty = emptyContext ? `, ${sql.name('context')} = NULL` : ''
      return `${sql.name('encryptedDataKey')} = NULL, ${sql.assign('destroyedAt', at.getTime())}${empty}`
    }
    return this.#change(rows, destroyed, 'destroyAt')
  }

  /** `having`: a column that must have a value. */
  async #change(
    rows: readonly StoredDataKey[],
    assignments: (sql: Sql) => string,
    having?: Name,
  ): Promise<StoredDataKey[]> {
    for (let first = 0; first < rows.length; first += BATCH) {
      const sql = new Sql(this.#dataSource)
      const set = assignments(sql)
      const ids = rows.slice(first, first + BATCH).map(({ id }) => sql.value(id))
      const marked = having === undefined ? '' : ` AND ${sql.name(having)} IS NOT NULL`
      await this.table.run(
        `UPDATE ${this.table.sql} SET ${set} WHERE ${sql.name('id')} IN (${ids.join(', ')}) AND ${sql.isNull('destroyedAt')}${marked}`,
        sql.parameters,
      )
    }
    return this.find(rows.map(({ id }) => id))
  }
}

/** Parts of one statement, with its parameters in their order. */
class Sql {
  readonly parameters: unknown[] = []
  readonly #dataSource: DataSource

  constructor(dataSource: DataSource) {
    this.#dataSource = dataSource
  }

  name(column: Name): string {
    return this.#dataSource.driver.escape(KEY_TABLE_COLUMNS[column])
  }

  value(value: unknown): string {
    this.parameters.push(value)
    return dialectOf(this.#dataSource.options).placeholder(this.parameters.length)
  }

  assign(column: Name, value: unknown): string {
    return `${this.name(column)} = ${this.value(value)}`
  }

  is(column: Name, value: unknown): string {
    return this.assign(column, value)
  }

  isNull(column: Name): string {
    return `${this.name(column)} IS NULL`
  }
}
