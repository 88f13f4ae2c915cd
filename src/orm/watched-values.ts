import { type ObjectLiteral } from 'typeorm'
import { type BoundColumn } from './bound-column'
import { noteMove } from './row/moved-values'
import { moves } from './row/moves'
import { type ColumnMetadata } from './typeorm-types'

/**
 * TypeORM takes a function for raw SQL and asks no driver or transformer about it. A transformed value is that of a
 * row, which `save` compares with the entity's. Where the entity moves to what its values are not bound to, they count
 * as changed, so that they are encrypted anew in the same statement.
 */
export function watchValues(metadata: ColumnMetadata, bound: BoundColumn): void {
  const getEntityValue = metadata.getEntityValue.bind(metadata)
  const isBound = bound.recipes.constant === undefined
  /** The entity that was asked last, until the current step ends: in it TypeORM compares it with its row. */
  let last: ObjectLiteral | undefined
  let isKept = false
  const keep = (entity: ObjectLiteral): void => {
    last = entity
    if (isKept) return
    // One for all entities of a step: for each it would cost more than all else that is done here.
    isKept = true
    queueMicrotask(() => {
      isKept = false
      last = undefined
    })
  }
  metadata.getEntityValue = (entity, transform) => {
    if (transform) {
      const isMoved = last !== undefined && moves(bound, last, entity)
      if (last) noteMove(last, bound, isMoved && bound.isSame(getEntityValue(last), getEntityValue(entity)))
      return bound.readRow(() => getEntityValue(entity, true) as unknown, isMoved)
    }
    const value: unknown = getEntityValue(entity)
    if (typeof value === 'function') bound.serialise(value)
    else bound.compareNext(value, entity)
    if (isBound) keep(entity)
    return value
  }
  const createValueMap = metadata.createValueMap.bind(metadata)
  metadata.createValueMap = (value: unknown, ...rest) => createValueMap(bound.forStatement(value), ...rest)
}
