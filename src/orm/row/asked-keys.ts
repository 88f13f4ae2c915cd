import { type Insert } from '../statement/statement'
import { sealAll } from '../write/parameters'
import { type SealedAhead } from '../write/sealed-ahead'
import { type BindableColumn } from './bindable-column'
import { type GeneratedKeys, isFilled, type KeylessInsert, type Runner } from './keyless-insert'
import { type Connection } from './located-update'

/** A piece of the text that is replaced. */
type Edit = [at: number, length: number, text: string]

const DEFAULT = 'DEFAULT'

/** Has the database make keys before the rows are there, and gives them with the rows: PostgreSQL. */
export class AskedKeys implements GeneratedKeys {
  readonly #keyless: KeylessInsert
  readonly #connection: Connection
  sql: string

  constructor(keyless: KeylessInsert, connection: Connection) {
    this.#keyless = keyless
    this.#connection = connection
    this.sql = keyless.sent.sql
  }

  async seal(ahead: SealedAhead): Promise<readonly unknown[]> {
    const { sent, insert, rows, generated } = this.#keyless
    const found: Record<string, unknown>[] = Array.from({ length: rows }, () => ({}))
    const added: unknown[] = []
    const edits: Edit[] = []
    for (const column of generated) {
      if (column.made?.kind !== 'asked') continue
      const { expression } = column.made
      const sql = `SELECT ${expression} AS made FROM generate_series(1, ${rows})`
      const keys = (await this.#connection.query(sql)) as { made: unknown }[]
      for (const [row, { made }] of keys.entries()) Object.assign(found[row] ?? {}, { [column.name]: made })
      edits.push(...this.#editsFor(column, (row) => added.push(found[row]?.[column.name])))
    }
    const rowOf = rowsOf(insert)
    const sealed = await sealAll(
      sent.parameters,
      () => sent,
      ahead,
      (name, index) => found[rowOf(index)]?.[name],
    )
    this.sql = edits
      .sort(([a], [b]) => b - a)
      .reduce((text, [at, length, piece]) => text.slice(0, at) + piece + text.slice(at + length), sent.sql)
    return [...sealed, ...added]
  }

  send(_: Runner, insert: () => Promise<unknown>): Promise<unknown> {
    return insert()
  }

  /** Puts the keys of a column into the text: in place of DEFAULT, or with a column that the INSERT does not name. */
  #editsFor({ name, made }: BindableColumn, add: (row: number) => number): Edit[] {
    const { sent, insert } = this.#keyless
    const { dialect, escape } = this.#connection
    const edits: Edit[] = []
    const own = insert.columns.findIndex((column) => column.name === name)
    const beside = insert.columns.findIndex((_, place) => insert.runs[0]?.ends.has(place) === true)
    if (own < 0) edits.push([insert.columns[beside]?.end ?? 0, 0, `, ${escape(name)}`])
    if (made?.kind === 'asked' && made.isAlways) {
      const end = insert.columns.at(-1)?.end ?? 0
      edits.push([sent.sql.indexOf(')', end) + 1, 0, ' OVERRIDING SYSTEM VALUE'])
    }
    let first = 0
    for (const { cells, ends, rows } of insert.runs) {
      for (let row = 0; row < rows; row++) {
        if (own >= 0 && isFilled(cells[own])) continue
        const end = ends.get(own < 0 ? beside : own)?.[row] ?? 0
        const placeholder = dialect.placeholder(sent.parameters.length + add(first + row))
        if (own < 0) edits.push([end, 0, `, ${placeholder}`])
        else edits.push([end - DEFAULT.length, DEFAULT.length, placeholder])
      }
      first += rows
    }
    return edits
  }
}

/** Which row of the statement a parameter goes into. */
function rowsOf({ runs }: Insert): (index: number) => number {
  const rows = new Map<number, number>()
  let first = 0
  for (const { cells, rows: count, stride } of runs) {
    for (const cell of cells) {
      if (cell.kind !== 'placeholder') continue
      for (let row = 0; row < count; row++) rows.set(cell.index + row * stride, first + row)
    }
    first += count
  }
  return (index) => rows.get(index) ?? -1
}
