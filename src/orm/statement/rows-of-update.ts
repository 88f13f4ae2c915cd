import { type Span, type Updated } from './statement'

/** A SELECT and its parameters. */
export interface SelectedRows {
  readonly sql: string
  readonly parameters: unknown[]
}

/** The SELECT of the rows that an UPDATE changes: by its own table and condition. `columns` are escaped. */
export function rowsOfUpdate(
  sql: string,
  { table, condition }: Updated,
  parameters: readonly unknown[],
  columns: readonly string[],
  placeholder: (position: number) => string,
): SelectedRows {
  const taken: unknown[] = []
  const pieces = condition.placeholders.map(({ index, span }): readonly [Span, string] => {
    taken.push(parameters[index])
    return [span, placeholder(taken.length)]
  })
  const where = replaced(sql, condition.span, pieces)
  return {
    sql: `SELECT ${columns.join(', ')} FROM ${sql.slice(...table)} WHERE ${where}`,
    parameters: taken,
  }
}

/** A piece of a text with pieces of it replaced. */
function replaced(text: string, [start, end]: Span, pieces: readonly (readonly [Span, string])[]): string {
  let result = ''
  let at = start
  for (const [[from, to], piece] of pieces) {
    result += text.slice(at, from) + piece
    at = to
  }
  return result + text.slice(at, end)
}
