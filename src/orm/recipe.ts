import { type Recipe } from '../cipher/cipher'
import { type EncryptionContext } from '../cipher/context'
import { type Scope } from '../cipher/scope'
import { type Queries } from '../dialects/dialect'
import { type BindableColumn } from './row/bindable-column'

/** What a value may be bound to: the current scope, and then those of `previous` settings. */
export type Scopes = readonly [Scope, ...Scope[]]

/** How the values of a row are encrypted, and what they are opened under. */
export interface RowRecipe extends Recipe {
  /** The first is `scope`. */
  readonly scopes: Scopes
}

/** The value that a row has in a column, named as in the database; `undefined` if that is not known here. */
export type RowValues = (column: string) => unknown

/** The encryption contexts of a column's rows under one setting. */
export interface RowContext {
  /** The pairs that are the same in every row. */
  readonly fixed: EncryptionContext
  /** The same in direct mode, where KMS is told table and column as well. */
  readonly direct: EncryptionContext
  /** The pairs that are values of the row, and the columns that hold them. */
  readonly perRow: readonly { readonly name: string; readonly column: BindableColumn }[]
}

/** The recipes of an encrypted column's rows. */
export interface Recipes {
  /** The recipe of every row, where it does not depend on the row. Then nobody need look for the row. */
  readonly constant: RowRecipe | undefined
  /** A recipe with the data key of every row, where that does not depend on the row; once one was made. */
  readonly keyed: RowRecipe | undefined
  readonly mode: Recipe['mode']
  /** The KMS key of all rows; `undefined` where a function names one for each context. */
  readonly keyId: string | undefined
  /** The columns of the row that a value is encrypted for. */
  readonly dependsOn: readonly BindableColumn[]
  /** Those, and the ones that earlier values were encrypted for. */
  readonly opensBy: readonly BindableColumn[]
  /** The encryption contexts of all rows: the current setting's first, then those of earlier ones. */
  readonly contexts: readonly RowContext[]
  /** The KMS key that values under a context are encrypted with. */
  keyIdFor(context: EncryptionContext): string
  /** True if new values name a stored data key. */
  readonly usesStoredKey: boolean
  /** Asks the database anew about the columns of the row, whose table may have been changed. */
  readonly check?: ((queries: Queries) => Promise<void>) | undefined
  /** The recipe of a row. Throws a `KmsEncryptionError` if a value that it depends on is not known. */
  of(row: RowValues): RowRecipe
}

/** The recipes of a column whose values are bound to no row. */
export function constantRecipes(recipe: Recipe, previous: readonly Scope[] = []): Recipes {
  const constant: RowRecipe = { ...recipe, scopes: [recipe.scope, ...previous] }
  const { mode, keyId, usesStoredKey = false } = recipe
  const contexts = constant.scopes.map(({ context, directContext }) => ({
    fixed: context,
    direct: directContext,
    perRow: [],
  }))
  return {
    constant,
    keyed: constant,
    mode,
    keyId,
    usesStoredKey,
    contexts,
    dependsOn: [],
    opensBy: [],
    keyIdFor: () => keyId,
    of: () => constant,
  }
}

/** True if what is encrypted by the one opens by the other, and is under the same KMS key. */
export function isSameRecipe(a: RowRecipe, b: RowRecipe): boolean {
  return (
    a === b ||
    (a.mode === b.mode &&
      a.keyId === b.keyId &&
      a.scope.contextKey === b.scope.contextKey &&
      a.scope.aad.equals(b.scope.aad))
  )
}
