import { type ColumnRow, type ColumnRows } from '../dialects/rows/column-rows'
import { type BoundColumn } from '../orm/bound-column'
import { type RowRecipe } from '../orm/recipe'

/** How the value of a row is encrypted, and what it is opened under. */
export function recipeOfRow(column: BoundColumn, row: ColumnRow): RowRecipe {
  return column.recipes.constant ?? column.recipeOfStored((name) => row.valueOf(name))
}

/** A recipe to try things out with: of the first row, where it depends on the row; `undefined` if there is none. */
export async function anyRecipe(column: BoundColumn, rows: ColumnRows): Promise<RowRecipe | undefined> {
  if (column.recipes.constant) return column.recipes.constant
  const [row] = await rows.page({ after: undefined, limit: 1 })
  return row && recipeOfRow(column, row)
}
