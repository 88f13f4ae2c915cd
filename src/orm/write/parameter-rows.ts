import { type RowValues } from '../recipe'
import { type AssignedValue, type Insert, type Statement } from '../statement/statement'

/** A column of a row that a statement writes, and what it puts there. */
type Cell = readonly [column: string, value: AssignedValue]

/**
 * The values that a statement stores in the row which the parameter with this index goes into, as far as they are
 * parameters, too. A row that the statement only finds by its key is not known.
 */
export function rowOfParameter(
  statement: Statement | undefined,
  parameters: readonly unknown[],
  index: number,
): RowValues {
  const cells = statement ? cellsAround(statement, index) : []
  return (name) => {
    const [, value] = cells.find(([column]) => column === name) ?? []
    return value?.kind === 'placeholder' ? parameters[value.index] : undefined
  }
}

function cellsAround({ inserts, assignments }: Statement, index: number): Cell[] {
  for (const insert of inserts) {
    const cells = insertedCells(insert, index)
    if (cells) return cells
  }
  const assigned = assignments.map(({ name, value }): Cell => [name, value])
  return assigned.some(([, value]) => isParameter(value, index)) ? assigned : []
}

/** The row of VALUES in which a parameter stands. */
function insertedCells({ columns, runs }: Insert, index: number): Cell[] | undefined {
  for (const { rows, cells, stride } of runs) {
    for (const cell of cells) {
      if (cell.kind !== 'placeholder') continue
      const row = stride === 0 ? 0 : (index - cell.index) / stride
      if (!Number.isInteger(row) || row < 0 || row >= rows || cell.index + row * stride !== index) continue
      return columns.flatMap(({ name }, place) => {
        const value = cells[place]
        return value ? [[name, moved(value, row * stride)]] : []
      })
    }
  }
  return undefined
}

function moved(value: AssignedValue, by: number): AssignedValue {
  return value.kind === 'placeholder' ? { ...value, index: value.index + by } : value
}

function isParameter(value: AssignedValue, index: number): boolean {
  return value.kind === 'placeholder' && value.index === index
}
