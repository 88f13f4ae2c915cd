import { type Stored } from '../../column/driver-value'
import { type RowsLayout } from '../column-layout'
import { type ColumnRow, type ColumnRows, type Change, type CountedValue } from './column-rows'
import { afterKey, anyKey, type KeyPage, orderByKey, Parameters, type Shard } from './key-order'
import { beginsLikeCiphertext } from './value-sql'

/** A row as the driver gives it. */
export type RawRow = Record<string, unknown>

function storedIndex(value: unknown): Stored | null {
  if (value instanceof Uint8Array) return Buffer.from(value)
  return typeof value === 'string' ? value : null
}

/** What the statements over the rows of a column have in common on every database. */
export abstract class SqlRows implements ColumnRows {
  constructor(readonly layout: RowsLayout) {}

  abstract write(changes: readonly Change[]): Promise<ReadonlySet<string>>
  abstract tryOut(change: Change): Promise<void>
  abstract inSnapshot<T>(work: () => Promise<T>): Promise<T>

  protected abstract query(sql: string, parameters?: readonly unknown[]): Promise<RawRow[]>
  /** True for the rows of a shard, the same in every process. */
  protected abstract inShard(shard: Shard): string
  /** What is selected of a row, with `value` or only its key. */
  protected abstract selected(value: boolean): string
  protected abstract rowOf(raw: RawRow, value: boolean): ColumnRow

  /** The columns that values depend on, for SELECT. */
  protected get bound(): string[] {
    return this.layout.bound.map(({ sql }, index) => `${sql} AS _b${index}`)
  }

  protected boundOf(raw: RawRow): Pick<ColumnRow, 'valueOf'> {
    const { bound } = this.layout
    if (bound.length === 0) return {}
    const values = new Map(bound.map(({ name }, index) => [name, raw[`_b${index}`]]))
    return { valueOf: (name) => values.get(name) }
  }

  /** The columns of blind indexes, for SELECT. */
  protected get beside(): string[] {
    return this.layout.beside.map((sql, index) => `${sql} AS _i${index}`)
  }

  protected besideOf(raw: RawRow): Pick<ColumnRow, 'beside'> {
    const { beside } = this.layout
    if (beside.length === 0) return {}
    return { beside: beside.map((_, index) => storedIndex(raw[`_i${index}`])) }
  }

  count(shard?: Shard): Promise<number> {
    return this.#number('COUNT(*)', this.#conditions(shard))
  }

  countPlaintext(shard?: Shard): Promise<number> {
    return this.#number('COUNT(*)', [
      ...this.#conditions(shard),
      `NOT (${beginsLikeCiphertext(this.layout)})`,
    ])
  }

  async countBy(expression: string, shard?: Shard): Promise<readonly CountedValue[]> {
    const found = await this.query(
      `SELECT ${expression} AS _e, COUNT(*) AS n FROM ${this.layout.table} WHERE ${this.#conditions(shard).join(' AND ')} GROUP BY 1`,
    )
    return found.map((row) => ({ value: row['_e'], rows: Number(row['n']) }))
  }

  longest(plaintext: boolean): Promise<number> {
    const { dialect } = this.layout
    const conditions = plaintext ? [`NOT (${beginsLikeCiphertext(this.layout)})`] : []
    return this.#number(`COALESCE(MAX(${dialect.lengthSql(dialect.bytesSql(this.layout))}), 0)`, [
      ...this.#conditions(),
      ...conditions,
    ])
  }

  page({ after, limit, shard, keysOnly = false, boundOnly = false }: KeyPage): Promise<ColumnRow[]> {
    const parameters = this.parameters()
    const conditions = boundOnly ? this.#ofShard(shard) : this.#conditions(shard)
    if (after) conditions.push(afterKey(this.order, after, parameters))
    const what = boundOnly ? 'bound' : keysOnly ? 'keys' : 'values'
    return this.select(conditions, `LIMIT ${limit}`, parameters, what)
  }

  again(rows: readonly ColumnRow[]): Promise<ColumnRow[]> {
    if (rows.length === 0) return Promise.resolve([])
    return this.selectRows(rows, '')
  }

  checkOrder(): Promise<void> {
    return Promise.resolve()
  }

  /** The columns in whose order the rows are gone through. */
  protected get order(): RowsLayout['keys'] {
    return this.layout.keys
  }

  protected parameters(): Parameters {
    return new Parameters(this.layout.dialect.placeholder)
  }

  protected selectRows(rows: readonly ColumnRow[], suffix: string): Promise<ColumnRow[]> {
    const parameters = this.parameters()
    const keys = rows.map(({ key }) => key)
    return this.select(
      [...this.#conditions(), anyKey(this.order, keys, parameters)],
      suffix,
      parameters,
      'values',
    )
  }

  protected async select(
    conditions: readonly string[],
    suffix: string,
    parameters: Parameters,
    what: 'keys' | 'bound' | 'values',
  ): Promise<ColumnRow[]> {
    const isWhole = what === 'values'
    const selected = [this.selected(isWhole), ...(what === 'bound' ? this.bound : [])].join(', ')
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')} `
    const sql = `SELECT ${selected} FROM ${this.layout.table} ${where}ORDER BY ${orderByKey(this.order)} ${suffix}`
    return (await this.query(sql, parameters.values)).map((raw) =>
      what === 'bound' ? { ...this.rowOf(raw, false), ...this.boundOf(raw) } : this.rowOf(raw, isWhole),
    )
  }

  #conditions(shard?: Shard): string[] {
    return [`${this.layout.name} IS NOT NULL`, ...this.#ofShard(shard)]
  }

  #ofShard(shard?: Shard): string[] {
    return shard ? [this.inShard(shard)] : []
  }

  async #number(what: string, conditions: readonly string[]): Promise<number> {
    const [row] = await this.query(
      `SELECT ${what} AS n FROM ${this.layout.table} WHERE ${conditions.join(' AND ')}`,
    )
    return Number(row?.['n'])
  }
}
