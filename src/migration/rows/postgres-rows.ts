import { type QueryRunner } from 'typeorm'
import { longestSql } from './bytes-sql'
import { type ColumnLayout } from './column-layout'
import { type Change, type ColumnRow, type ColumnRows, rowId } from './column-rows'
import { HiddenParameter } from './hidden-parameter'
import { afterKey, anyKey, inShard, type KeyPage, orderByKey, Parameters, type Shard } from './key-sql'

/**
 * PostgreSQL. A batch is one `UPDATE … FROM unnest(…)`. Each version of a row has its own `ctid` and `xmin`: a row
 * is written only if it still is the version that was read.
 */
export class PostgresRows implements ColumnRows {
  readonly #queryRunner: QueryRunner

  constructor(
    queryRunner: QueryRunner,
    readonly layout: ColumnLayout,
  ) {
    this.#queryRunner = queryRunner
  }

  async count(shard?: Shard): Promise<number> {
    const { table, name } = this.layout
    const where = shard ? ` AND ${inShard(this.layout, shard)}` : ''
    const [row] = (await this.#queryRunner.query(
      `SELECT COUNT(*) AS n FROM ${table} WHERE ${name} IS NOT NULL${where}`,
    )) as [{ n: string }]
    return Number(row.n)
  }

  async longest(plaintext: boolean): Promise<number> {
    const [row] = (await this.#queryRunner.query(longestSql(this.layout, plaintext))) as [{ n: number }]
    return row.n
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

  async write(changes: readonly Change[]): Promise<ReadonlySet<string>> {
    const { table, name, keys, kind } = this.layout
    const parameters = new Parameters(this.layout)
    const list = (values: unknown[], type: string): string => `${parameters.add(values)}::${type}[]`
    const lists = [
      ...keys.map(({ type }, index) =>
        list(
          changes.map(({ row }) => row.key[index]),
          type,
        ),
      ),
      list(
        changes.map(({ row }) => row.version![0]),
        'tid',
      ),
      list(
        changes.map(({ row }) => row.version![1]),
        'text',
      ),
      `${parameters.add(new HiddenParameter(changes.map(({ value }) => value)))}::${kind === 'binary' ? 'bytea' : 'text'}[]`,
    ]
    const names = keys.map((_, index) => `k${index}`)
    const match = keys.map(({ sql }, index) => `_t.${sql} = _b.k${index}`)
    const returned = keys.map(({ sql }, index) => `_t.${sql}::text AS _k${index}`)
    const [rows] = (await this.#queryRunner.query(
      `UPDATE ${table} AS _t SET ${name} = _b.v FROM unnest(${lists.join(', ')}) AS _b(${names.join(', ')}, c, x, v) ` +
        `WHERE ${match.join(' AND ')} AND _t.ctid = _b.c AND _t.xmin::text = _b.x RETURNING ${returned.join(', ')}`,
      parameters.values,
    )) as [Record<string, unknown>[], number]
    return new Set(rows.map((row) => rowId(this.#keyOf(row))))
  }

  async #select(conditions: string[], suffix: string, parameters: Parameters): Promise<ColumnRow[]> {
    const { table, name, kind, keys } = this.layout
    const selected = keys.map(({ sql }, index) => `${sql}::text AS _k${index}`)
    const value = kind === 'binary' ? name : `${name}::text`
    const rows = (await this.#queryRunner.query(
      `SELECT ${selected.join(', ')}, ${value} AS _v, ctid::text AS _c, xmin::text AS _x FROM ${table} ` +
        `WHERE ${conditions.join(' AND ')} ORDER BY ${orderByKey(this.layout)} ${suffix}`,
      parameters.values,
    )) as Record<string, unknown>[]
    return rows.map((row) => {
      const key = this.#keyOf(row)
      const version = [row._c as string, row._x as string]
      return { key, id: rowId(key), stored: row._v as Buffer | string, version }
    })
  }

  #keyOf(row: Record<string, unknown>): unknown[] {
    return this.layout.keys.map((_, index) => row[`_k${index}`])
  }
}
