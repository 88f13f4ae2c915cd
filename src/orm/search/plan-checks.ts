import { type BoundColumn } from '../bound-column'
import { boundColumnsOf } from '../statement/entity-catalogue'
import { type ColumnSource, type Statement } from '../statement/statement'
import { type BlindIndex } from './blind-index'
import { type PlanDraft, type Searched } from './plan-draft'

/** Rows that the result must hold, and no others: to be compared with what was searched. */
export interface Check {
  readonly index: BlindIndex
  readonly column: BoundColumn
  /** The names in the result's rows of the columns that the index is made of. */
  readonly names: readonly string[]
  readonly searched: readonly Searched[]
}

/** The result rows, of which the statement itself says what the column equals. */
export function plannedChecks({ statement, searched }: PlanDraft): Check[] {
  return statement.conditions.flatMap(({ source, placeholders, integers }) => {
    const column = boundColumnsOf(source.column)[0]
    if (!column || integers.length > 0) return []
    const of = placeholders.flatMap(
      (each) => searched.find((one) => one.parameter === each && isOver(one.index, source)) ?? [],
    )
    const [first] = of
    if (!first || of.length < placeholders.length || of.some(({ index }) => index !== first.index)) return []
    const names = first.index.members.flatMap(
      ({ metadata }) => nameInResult(statement, source, metadata.databaseName) ?? [],
    )
    // What is not selected cannot be compared.
    if (names.length < first.index.members.length) return []
    return [{ index: first.index, column, names, searched: of }]
  })
}

function isOver({ members }: BlindIndex, { column }: ColumnSource): boolean {
  return boundColumnsOf(column).some(({ metadata }) => members.some((each) => each.metadata === metadata))
}

function nameInResult(
  { results }: Statement,
  { table, row }: ColumnSource,
  column: string,
): string | undefined {
  const found = results.find(({ name, sources: [source, ...others] }) => {
    const isSame = source?.table === table && source.row === row && source.column.name === column
    return name !== undefined && isSame && others.length === 0
  })
  return found?.name
}
