import { type RowValues } from '../recipe'
import { type AssignedValue, type Insert, type Statement } from '../statement/statement'

/** What a statement puts into a column of a row. */
type Cells = (column: string) => AssignedValue | undefined

/**
 * The values that a statement stores in the row which the parameter with this index goes into, as far as they are
 * parameters, too; and those by which an UPDATE finds it, where it can find only rows with that one. `found`: what is
 * known of the row besides.
 */
export function rowOfParameter(
  { statement, sql, parameters }: SentStatement,
  index: number,
  found?: RowValues,
): RowValues {
  const cells = statement && cellsAround(statement, index)
  if (!cells) return () => undefined
  return (name) => {
    const assigned = cells(name)
    if (assigned && !isLeftToDatabase(assigned)) return valueOf(assigned, sql, parameters)
    if (assigned) return found?.(name)
    const value = statement.kind === 'update' ? conditionOn(statement, sql, parameters, name) : undefined
    return value ?? found?.(name)
  }
}

/** A statement, its text and its parameters. */
export interface SentStatement {
  readonly statement: Statement | undefined
  readonly sql: string
  readonly parameters: readonly unknown[]
}

function isLeftToDatabase({ kind }: AssignedValue): boolean {
  return kind === 'default' || kind === 'null'
}

function valueOf(value: AssignedValue, sql: string, parameters: readonly unknown[]): unknown {
  const [span] = value.kind === 'integer' ? value.spans : []
  if (span) return sql.slice(...span)
  return value.kind === 'placeholder' ? parameters[value.index] : undefined
}

/** The only value that the rows of an UPDATE can have in a column. The column compares exactly, or is not bound to. */
function conditionOn(
  { conditions, tables }: Statement,
  sql: string,
  parameters: readonly unknown[],
  name: string,
): unknown {
  if (tables.length !== 1) return undefined
  for (const { source, placeholders, arrays, integers } of conditions) {
    // What a common table expression gives is not the row that is changed.
    if (source.isDerived || source.column.name !== name) continue
    const [integer, ...rest] = integers
    if (integer) return rest.length + placeholders.length === 0 ? sql.slice(...integer) : undefined
    const [index, ...more] = placeholders
    const value = index === undefined || more.length > 0 ? undefined : parameters[index]
    if (!Array.isArray(value)) return arrays.length > 0 ? undefined : value
    return value.length === 1 ? (value[0] as unknown) : undefined
  }
  return undefined
}

/** What a statement puts into the columns of the row that a parameter goes into; `undefined` if it goes into none. */
function cellsAround({ inserts, assignments }: Statement, index: number): Cells | undefined {
  for (const insert of inserts) {
    const cells = insertedCells(insert, index)
    if (cells) return cells
  }
  if (!assignments.some(({ value }) => isParameter(value, index))) return undefined
  return (name) => assignments.find((each) => each.name === name)?.value
}

/** The row of VALUES in which a parameter stands. */
function insertedCells({ columns, runs }: Insert, index: number): Cells | undefined {
  for (const { rows, cells, stride } of runs) {
    for (const cell of cells) {
      if (cell.kind !== 'placeholder') continue
      const row = stride === 0 ? 0 : (index - cell.index) / stride
      if (!Number.isInteger(row) || row < 0 || row >= rows || cell.index + row * stride !== index) continue
      return (name) => {
        const value = cells[columns.findIndex((each) => each.name === name)]
        return value && moved(value, row, stride)
      }
    }
  }
  return undefined
}

function moved(value: AssignedValue, row: number, stride: number): AssignedValue {
  if (value.kind === 'integer') return { kind: 'integer', spans: value.spans.slice(row, row + 1) }
  return value.kind === 'placeholder' && row > 0 ? { ...value, index: value.index + row * stride } : value
}

function isParameter(value: AssignedValue, index: number): boolean {
  return value.kind === 'placeholder' && value.index === index
}
