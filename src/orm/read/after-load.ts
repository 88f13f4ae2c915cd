import { type LoadEvent, type ObjectLiteral } from 'typeorm'
import { NotTriedError } from '../../errors'
import { isLasting } from '../../errors/kinds'
import { boundColumns } from '../bound-columns'
import { type BoundColumn } from '../bound-column'
import { type RowRecipe } from '../recipe'
import { SealedValue } from '../sealed-value'
import { valuesOf } from '../entity-row'

/** Opens what hydration could not. TypeORM calls it for the entities of a result side by side. */
export function openSealed(
  entity: ObjectLiteral,
  event?: LoadEvent<ObjectLiteral>,
): Promise<unknown> | undefined {
  if (!event) return undefined
  const sealed = boundColumns(event.metadata.findInheritanceMetadata(entity)).flatMap((column) => {
    const value = SealedValue.of(column.metadata.getEntityValue(entity))
    return value ? [open(entity, column, value)] : []
  })
  if (sealed.length === 0) return undefined
  const all = Promise.all(sealed)
  // TypeORM leaves it to itself when another listener fails at once.
  all.catch(() => undefined)
  return all
}

async function open(entity: ObjectLiteral, column: BoundColumn, value: SealedValue): Promise<void> {
  try {
    // The read fails with what could not be decrypted, and not with what was not tried because of it.
    if (value.failure instanceof NotTriedError) await new Promise(setImmediate)
    if (value.failure) throw value.failure
    column.metadata.setEntityValue(entity, await column.decrypt(value.stored, recipeOf(entity, column)))
  } catch (error) {
    const failure = column.placed(error, entity)
    if (column.onUndecryptable === 'throw' || !isLasting(failure)) throw failure
    column.metadata.setEntityValue(entity, new SealedValue(column, value.stored, failure).placeholder)
  }
}

function recipeOf(entity: ObjectLiteral, { recipes, metadata }: BoundColumn): RowRecipe {
  return recipes.constant ?? recipes.of(valuesOf(entity, metadata.entityMetadata))
}
