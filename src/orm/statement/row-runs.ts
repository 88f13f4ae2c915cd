import { type AssignedValue, type RowRun, type Span } from './statement'

/** The run with one more row, if the row is like its first but for the numbers of placeholders. */
export function extend(run: RowRun, cells: readonly AssignedValue[]): RowRun | undefined {
  if (run.cells.length !== cells.length) return undefined
  let { stride } = run
  let isStrideKnown = run.rows > 1
  for (const [place, cell] of cells.entries()) {
    const first = run.cells[place]
    if (first?.kind !== cell.kind) return undefined
    if (cell.kind !== 'placeholder' || first.kind !== 'placeholder') continue
    if (cell.index < 0) return undefined
    const distance = cell.index - first.index
    if (!isStrideKnown) stride = distance
    isStrideKnown = true
    if (distance !== stride * run.rows) return undefined
  }
  for (const [place, cell] of cells.entries()) {
    const first = run.cells[place]
    if (cell.kind === 'integer' && first?.kind === 'integer') (first.spans as Span[]).push(...cell.spans)
  }
  return { ...run, rows: run.rows + 1, stride }
}
