import { type DataSource, type EntityMetadata, type FindManyOptions, type ObjectLiteral } from 'typeorm'
import { type BoundColumn } from '../bound-column'
import { boundColumns } from '../bound-columns'
import { SealedValue } from '../sealed-value'
import { hasAccessor } from './has-accessor'

/*
 * `save` and `remove` load rows to compare them with entities. TypeORM finds them by the maps of ids that it made of the
 * entities: so it is known which rows these are, and what the entities set.
 */

/**
 * Maps of ids that were made of entities in this turn of the event loop, each with its entity. Rows are loaded by them in
 * the same turn, in the same order. Such maps are made of every entity that is loaded or saved: a WeakMap of them costs
 * more than all else that is done for a row.
 */
class RecentIds {
  #ids: object[] = []
  #entities: ObjectLiteral[] = []

  add(id: object, entity: ObjectLiteral): void {
    if (this.#ids.length === 0)
      setImmediate(() => {
        this.#clear()
      })
    this.#ids.push(id)
    this.#entities.push(entity)
  }

  /** The entities that these are the ids of; `undefined` if one is no such id. */
  entitiesOf(ids: readonly unknown[]): ObjectLiteral[] | undefined {
    const entities: ObjectLiteral[] = []
    let at = -1
    for (const id of ids as object[]) {
      // Those of this save were made last, one after the other.
      if (this.#ids[++at] !== id) at = this.#ids.lastIndexOf(id)
      const entity = this.#entities[at]
      if (!entity) return undefined
      entities.push(entity)
    }
    return entities
  }

  #clear(): void {
    this.#ids = []
    this.#entities = []
  }
}

const recent = new RecentIds()

/** Has the maps of ids remembered. Only this one instance is changed. */
export function watchIds(metadata: EntityMetadata): void {
  const getEntityIdMap = metadata.getEntityIdMap.bind(metadata)
  metadata.getEntityIdMap = (entity) => {
    const id = getEntityIdMap(entity)
    if (id && entity) recent.add(id, entity)
    return id
  }
}

/** True for the find options that TypeORM loads such rows with. */
export function isComparing({ loadEagerRelations, loadRelationIds, withDeleted }: FindManyOptions): boolean {
  return (
    loadEagerRelations === false &&
    withDeleted === true &&
    typeof loadRelationIds === 'object' &&
    loadRelationIds.disableMixedMap === true
  )
}

/** Rows that are loaded to be compared with entities. */
export class ComparedRows {
  private constructor(
    readonly entities: readonly ObjectLiteral[],
    readonly isSeen: boolean,
  ) {}

  /** `undefined` if these are not ids of entities alone. `isSeen`: the application may look at the rows. */
  static of(ids: unknown, isSeen: boolean): ComparedRows | undefined {
    const entities = Array.isArray(ids) ? recent.entitiesOf(ids) : undefined
    return entities && new ComparedRows(entities, isSeen)
  }

  /** True if values are to be opened: an entity has one to compare. A marker equals whatever the row has. */
  needs({ metadata }: BoundColumn): boolean {
    if (this.isSeen) return true
    return this.entities.some((entity) => {
      const value: unknown = metadata.getEntityValue(entity)
      return value !== undefined && value !== null && !SealedValue.of(value)
    })
  }
}

/** What gives the application the loaded rows. */
const EVENTS = /^(?:afterLoad|(?:before|after)(?:Update|Remove|SoftRemove|Recover))$/

const seen = new WeakMap<readonly EntityMetadata[], boolean>()

/**
 * True if the application may look at rows that are loaded to be compared: in listeners, subscribers, and setters of
 * properties, which may look at other properties as well. `isOurs` knows our own subscribers.
 */
export function areRowsSeen(
  { subscribers, entityMetadatas }: DataSource,
  isOurs: (subscriber: object) => boolean,
): boolean {
  if (subscribers.some((each) => !isOurs(each) && handlesRows(each))) return true
  let have = seen.get(entityMetadatas)
  if (have === undefined) {
    have = entityMetadatas.some(
      (metadata) =>
        metadata.listeners.some(({ type }) => type === 'after-load') ||
        (boundColumns(metadata).length > 0 && metadata.columns.some(hasAccessor)),
    )
    seen.set(entityMetadatas, have)
  }
  return have
}

function handlesRows(subscriber: object): boolean {
  for (
    let each: unknown = subscriber;
    typeof each === 'object' && each !== null && each !== Object.prototype;
  ) {
    if (Object.getOwnPropertyNames(each).some((name) => EVENTS.test(name))) return true
    each = Object.getPrototypeOf(each) as unknown
  }
  return false
}
