import { type BoundColumn } from '../bound-column'
import { boundColumnsOf } from '../statement/entity-catalogue'
import { type ColumnSource, type ResultColumn, type Statement } from '../statement/statement'
import { type Readings } from '../statement/statements'

/** A row of a result, by the names of its columns. */
export type Row = Record<string, unknown>

/** A column of a result that holds values of an encrypted column. */
export interface EncryptedResult {
  /** Its name in the rows. */
  readonly name: string
  readonly column: BoundColumn
  /** The name in the rows of another column, named as in the database, of the same row of the table. */
  readonly rowName: (column: string) => string | undefined
}

const known = new WeakMap<Readings, readonly EncryptedResult[]>()

/** The columns of a statement's result that are encrypted ones, in whichever way its text is read. */
export function encryptedResults(readings: Readings): readonly EncryptedResult[] {
  let results = known.get(readings)
  if (!results) known.set(readings, (results = resultsOf(readings)))
  return results
}

function resultsOf([likeliest, ...others]: Readings): EncryptedResult[] {
  const results = byName(likeliest)
  const alternatives = others.map(byName)
  return Array.from(results).flatMap(([name, { sources }]) => {
    const [first] = sources
    const column = first && columnOf(sources)
    if (!column || !alternatives.every((each) => isSame(each.get(name)?.sources, sources))) return []
    const names = new Map<string, string>()
    for (const [other, result] of results) {
      if (isOfRow(result.sources, sources)) names.set(result.sources[0]?.column.name ?? '', other)
    }
    return [{ name, column, rowName: (other: string) => names.get(other) }]
  })
}

/** Of two with one name the drivers give the last. */
function byName({ results }: Statement): Map<string, ResultColumn> {
  return new Map(results.flatMap((result) => (result.name === undefined ? [] : [[result.name, result]])))
}

/** The encrypted column that all branches of a set operation select. */
function columnOf(sources: readonly ColumnSource[]): BoundColumn | undefined {
  const [first] = sources
  if (!first?.column.isEncrypted || !sources.every(({ column }) => column === first.column)) return undefined
  // Of several entities over the table it is not known which is read; what one declaration opens, others do not take.
  return boundColumnsOf(first.column)[0]
}

function isSame(some: readonly ColumnSource[] | undefined, others: readonly ColumnSource[]): boolean {
  return (
    some?.length === others.length &&
    others.every((other, at) => isOfSameRow(some.at(at), other) && some.at(at)?.column === other.column)
  )
}

/** True for another column of the very same row, in each branch. */
function isOfRow(some: readonly ColumnSource[], others: readonly ColumnSource[]): boolean {
  const [first] = some
  return (
    some.length === others.length &&
    some.every(({ column }) => column.name === first?.column.name) &&
    others.every((other, at) => isOfSameRow(some.at(at), other))
  )
}

function isOfSameRow(some: ColumnSource | undefined, { table, row }: ColumnSource): boolean {
  return some?.table === table && some.row === row
}
