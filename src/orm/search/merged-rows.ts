import { KmsEncryptionError, RowUnknownError } from '../../errors'
import { boundColumn } from '../bound-columns'
import { type Opening, openTogether } from '../read/opening'
import { type RowValues } from '../recipe'
import { type Connection } from '../row/located-update'
import { type Statement } from '../statement/statement'
import { type BlindIndex } from './blind-index'
import { columnsOfIndex } from './index-of-row'
import { type Insertions } from './insertions'
import { type IndexValue } from './keyed-index'
import { type PartialWrite } from './plan-writes'
import { writtenPlaintext } from './written-plaintext'

/*
 * An UPDATE of some of the columns of an index over several. What its rows have in the others is read and opened first,
 * and the index is assigned for each of these: `index = CASE WHEN other = ? THEN ? … ELSE index END`, in rows that still
 * have one of them and in no others. So no row gets an index that is not that of its values, whoever else writes.
 */

/** Different values of the others that one UPDATE can be made for: SQLite takes expressions that are 1,000 deep. */
const MAX_CASES = 500

type Row = Record<string, unknown>

/** Rows that have the same in all columns that are read, and the index that they get. */
interface Case {
  readonly row: Row
  readonly index: IndexValue | null
}

/** What the rows of an UPDATE have, and what becomes of an index by it. */
export class MergedRows {
  private constructor(
    private readonly write: PartialWrite,
    private readonly columns: readonly string[],
    private readonly cases: readonly Case[],
    /** Rows that are to be changed. */
    readonly count: number,
    private readonly connection: Pick<Connection, 'escape'>,
  ) {}

  /** Reads the rows by `select`, which takes names of columns and may search. Throws `KmsEncryptionError`. */
  static async read(
    write: PartialWrite,
    statement: Statement,
    parameters: readonly unknown[],
    select: (columns: readonly string[]) => Promise<unknown>,
    connection: Pick<Connection, 'escape'>,
  ): Promise<MergedRows> {
    const { index, assigned } = write
    const own = new Set(index.members.map(({ metadata }) => metadata.databaseName))
    const missing = index.members.filter((_, at) => assigned[at] === undefined)
    const columns = columnsOfIndex(index).filter(
      (name) => !own.has(name) || missing.some(({ metadata }) => metadata.databaseName === name),
    )
    const rows = (await select(columns)) as Row[]
    const different = new Map(rows.map((row) => [textOf(columns.map((name) => row[name])), row]))
    if (different.size > MAX_CASES) throw tooMany(index, different.size)
    const cases: Case[] = []
    for (const row of different.values())
      cases.push({ row, index: await indexFor(write, statement, parameters, row) })
    return new MergedRows(write, columns, cases, rows.length, connection)
  }

  /** Adds to the statement the assignment of the index, in front of what belongs to its condition. */
  assign(insertions: Insertions): void {
    const { name, end, behind, index } = this.write
    const own = this.connection.escape(index.metadata.databaseName)
    const cases = this.cases.map(({ row, index: value }) => {
      const when = this.#sameAs(row, behind, insertions)
      const [place = ''] = value === null ? ['NULL'] : insertions.add(behind, [value])
      return `WHEN ${when} THEN ${place}`
    })
    const value = cases.length > 0 ? `CASE ${cases.join(' ')} ELSE ${own} END` : own
    insertions.edit(end, end, `, ${name} = ${value}`)
  }

  /** Has the statement change only rows that have this still. Its parameters stand behind all others. */
  restrict(insertions: Insertions, last: number): void {
    const [start, end] = this.write.updated.condition.span
    const all = this.cases.map(({ row }) => `(${this.#sameAs(row, last, insertions)})`)
    insertions.edit(start, start, '(')
    insertions.edit(end, end, `) AND (${all.length > 0 ? all.join(' OR ') : '1 = 0'})`)
  }

  /** True if others have changed what a row has in between. */
  hasMissed(result: unknown): boolean {
    const { affected } = (result ?? {}) as { affected?: unknown }
    return typeof affected === 'number' && affected < this.count
  }

  contended(): KmsEncryptionError {
    const { column, members } = this.write.index
    const names = members.map(({ metadata }) => metadata.propertyName).join(', ')
    return column.error(
      RowUnknownError,
      `others changed ${names} of the rows each time that they were to be updated. Update them in a transaction, which locks them.`,
    )
  }

  #sameAs(row: Row, behind: number, insertions: Insertions): string {
    const parts = this.columns.map((name) => {
      const value = row[name]
      const own = this.connection.escape(name)
      return value === null || value === undefined
        ? `${own} IS NULL`
        : `${own} = ${insertions.add(behind, [value])[0] ?? ''}`
    })
    return parts.join(' AND ')
  }
}

async function indexFor(
  { index, assigned }: PartialWrite,
  statement: Statement,
  parameters: readonly unknown[],
  row: Row,
): Promise<IndexValue | null> {
  const after = rowAfter(statement, parameters, row)
  const openings: Opening[] = []
  const plaintexts: (Opening | ReturnType<typeof writtenPlaintext>)[] = []
  for (const [at, { metadata }] of index.members.entries()) {
    const parameter = assigned[at]
    const value = parameter === undefined ? row[metadata.databaseName] : parameters[parameter]
    if (value === null || value === undefined) return null
    const column = boundColumn(metadata)
    const stored = parameter === undefined ? column?.storedIfDelivered(value) : undefined
    if (!column || stored === undefined) plaintexts.push(writtenPlaintext(value, index, at))
    else {
      const recipe = column.recipeOfStored((name) => row[name])
      const bytes = column.opener.bytesOf(stored)
      const opening: Opening = { column, recipe, stored, bytes, opened: undefined }
      openings.push(opening)
      plaintexts.push(opening)
    }
  }
  await openTogether(openings)
  const failed = openings.find(({ opened }) => opened instanceof KmsEncryptionError)
  if (failed?.opened instanceof KmsEncryptionError) throw failed.column.placed(failed.opened)
  const keyed = index.of(after)
  await keyed.prepare()
  const all = plaintexts.map((each, at) =>
    typeof each === 'object' && 'column' in each ? index.canonicalOf(at, each.opened as Buffer) : each,
  )
  return keyed.valueOf(index.joined(all))
}

/** What a row has after the UPDATE, as far as keys depend on it. */
function rowAfter({ assignments }: Statement, parameters: readonly unknown[], row: Row): RowValues {
  return (name) => {
    const assigned = assignments.find((each) => each.name === name)
    if (!assigned) return row[name]
    return assigned.value.kind === 'placeholder' ? parameters[assigned.value.index] : undefined
  }
}

function tooMany({ column, metadata }: BlindIndex, count: number): KmsEncryptionError {
  return column.error(
    RowUnknownError,
    `the update changes rows with ${count} different values of the other columns of the index ${metadata.databaseName}, each of which would have to be opened for it: at most ${MAX_CASES} in one statement. Update fewer rows at once.`,
  )
}

function textOf(values: readonly unknown[]): string {
  return JSON.stringify(
    values.map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value)),
  )
}
