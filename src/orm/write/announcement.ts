import { type EntityMetadata, type ObjectLiteral, type QueryRunner } from 'typeorm'
import { type Plaintext } from '../../column/types'
import { KmsEncryptionError } from '../../errors'
import { type BoundColumn } from '../bound-column'
import { boundColumns } from '../bound-columns'
import { valuesOf } from '../entity-row'
import { type RowRecipe } from '../recipe'
import { isOnlyMoved, type Moved } from '../row/moved-values'
import { SealedValue } from '../sealed-value'
import { type ColumnMetadata } from '../typeorm-types'
import { SealedAhead } from './sealed-ahead'
import { isSettled } from './settled'

/*
 * Before the first statement of a save its values are checked and their data keys fetched, so that trouble shows
 * early. Each is serialised for that, and once more for its statement (`persist`) if it may change until then.
 */

/** Announces the values of an entity that is to be inserted. */
export function announceInsert(
  queryRunner: QueryRunner,
  metadata: EntityMetadata,
  entity: ObjectLiteral,
): Promise<unknown> | undefined {
  const values: Value[] = []
  for (const column of boundColumns(metadata)) {
    const value = valueIn(entity, column)
    if (value === undefined) continue
    values.push({ column, value, plaintext: column.serialise(value), isStored: column.metadata.isInsert })
  }
  return announce(queryRunner, metadata, entity, values)
}

/** Announces the values of an entity that is to be updated. `changed` is empty for an update builder. */
export function announceUpdate(
  queryRunner: QueryRunner,
  metadata: EntityMetadata,
  entity: ObjectLiteral,
  changed: readonly ColumnMetadata[],
): Promise<unknown> | undefined {
  const isCompared = changed.length > 0
  const values: Value[] = []
  for (const column of boundColumns(metadata)) {
    if (isCompared && !changed.includes(column.metadata)) continue
    const value = valueIn(entity, column)
    if (value === undefined) continue
    // `save` has just compared them, and so serialised them.
    const plaintext = isCompared ? column.serialiseCompared(value) : column.serialise(value)
    values.push({ column, value, plaintext, isStored: isCompared })
  }
  return announce(queryRunner, metadata, entity, values)
}

interface Value {
  readonly column: BoundColumn
  readonly value: unknown
  readonly plaintext: Plaintext
  readonly isStored: boolean
}

/** What is to be encrypted of an entity's value; `undefined` if nothing is. */
function valueIn(entity: ObjectLiteral, column: BoundColumn): unknown {
  const value: unknown = column.metadata.getEntityValue(entity)
  return value === null || SealedValue.of(value) ? undefined : value
}

/** Fetches data keys, and has values encrypted ahead of their statement. Returns what to wait for. */
function announce(
  queryRunner: QueryRunner,
  metadata: EntityMetadata,
  entity: ObjectLiteral,
  values: readonly Value[],
): Promise<unknown> | undefined {
  const waiting: Promise<unknown>[] = []
  const wait = (promise: Promise<unknown> | undefined): void => {
    if (promise) waiting.push(promise)
  }
  for (const { column, value, plaintext, isStored } of values) {
    if (isSettled(entity)) column.keep(value, plaintext)
    if (column.plaintextWrites?.areOn === true) continue
    const { constant, keyed, mode } = column.recipes
    if (!constant && isStored) announceMove(queryRunner, metadata, entity, column, plaintext)
    if (!constant && keyed && mode === 'envelope') {
      // Its row's recipe is made for the statement: twice would cost more than sealing ahead saves.
      wait(column.prepare(keyed))
      continue
    }
    const recipe = recipeOf(column, metadata, entity)
    if (!recipe) continue
    const ahead = SealedAhead.of(queryRunner)
    // Of more than the memory holds, the first would have left it when their statement comes.
    const most = column.cipher.dataKeys.maxKeys / 2
    if (constant || ahead.announceKey(recipe) <= most) wait(column.prepare(recipe))
    if (isStored) wait(ahead.announce(column, recipe, plaintext))
  }
  if (waiting.length === 0) return undefined
  const all = Promise.all(waiting)
  // TypeORM leaves it to itself when another listener or entity fails at once.
  all.catch(() => undefined)
  return all
}

/** What a save before has announced and not sent is no longer meant. */
function announceMove(
  queryRunner: QueryRunner,
  metadata: EntityMetadata,
  entity: ObjectLiteral,
  column: BoundColumn,
  plaintext: Plaintext,
): void {
  const { moved } = SealedAhead.of(queryRunner)
  if (isOnlyMoved(entity, column)) {
    const key = metadata.primaryColumns.map(({ databaseName }) => databaseName)
    moved.announce(column.cell, key, valuesOf(entity, metadata), movedValue(column, plaintext))
  } else if (!moved.isEmpty) {
    moved.take(column.cell, valuesOf(entity, metadata))
  }
}

function movedValue(column: BoundColumn, value: Plaintext): Moved {
  const { metadata, opener, recipes, indexes } = column
  return {
    plaintext: typeof value === 'string' ? value : Buffer.from(value),
    name: metadata.databaseName,
    boundTo: recipes.opensBy.map(({ name }) => name),
    isSearched: indexes.length > 0,
    open: (stored, row) => opener.open(column.storedOf(stored), column.recipeOfStored(row).scopes),
  }
}

/** `undefined` if the row is not known yet, as that of a generated key: then only the statement tells. */
function recipeOf(
  column: BoundColumn,
  metadata: EntityMetadata,
  entity: ObjectLiteral,
): RowRecipe | undefined {
  if (column.recipes.constant) return column.recipes.constant
  try {
    return column.recipes.of(valuesOf(entity, metadata))
  } catch (error) {
    if (error instanceof KmsEncryptionError) return undefined
    throw error
  }
}
