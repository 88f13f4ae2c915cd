import { type DataSource, type EntityTarget, type ObjectLiteral } from 'typeorm'
import { Scope } from '../../src/cipher/scope'
import { InvalidValueError } from '../../src/errors'
import { type BoundColumn } from '../../src/orm/bound-column'
import { boundColumns } from '../../src/orm/bound-columns'
import { type Recipes, type RowRecipe } from '../../src/orm/recipe'

/**
 * Binds the values of an entity's encrypted columns to another column of their row: a value of one row opens in no
 * other. It stands for the recipes of columns that are declared so, and must be called before the first statement.
 */
export function bindToRow(dataSource: DataSource, entity: EntityTarget<ObjectLiteral>, by: string): void {
  const { target } = dataSource.getMetadata(entity)
  for (const metadata of dataSource.entityMetadatas) {
    if (metadata.target !== target && !metadata.inheritanceTree.includes(target as () => unknown)) continue
    for (const column of boundColumns(metadata)) {
      // Parent and children of one table share columns.
      if (column.recipes.constant) Object.assign(column, { recipes: recipesOf(column, by) })
    }
  }
}

function recipesOf(column: BoundColumn, by: string): Recipes {
  const { recipe } = column
  const scopes = new Map<string, Scope>()
  const scopeOf = (text: string): Scope => {
    let scope = scopes.get(text)
    if (!scope) {
      const { column: bound = '' } = recipe.scope.directContext
      const context = { ...recipe.scope.context }
      scopes.set(
        text,
        (scope = new Scope(context, { column: bound, [`row.${by}`]: text }, recipe.scope.tally)),
      )
    }
    return scope
  }
  return {
    constant: undefined,
    keyed: undefined,
    mode: recipe.mode,
    keyId: recipe.keyId,
    dependsOn: [],
    contexts: [],
    usesStoredKey: false,
    keyIdFor: () => recipe.keyId,
    opensBy: [],
    of(row): RowRecipe {
      const value = row(by)
      if (typeof value !== 'string' && typeof value !== 'number') {
        throw column.error(InvalidValueError, `the ${by} of the row is not known`)
      }
      const scope = scopeOf(String(value))
      return { ...recipe, scope, scopes: [scope] }
    },
  }
}
