import {
  type DataSource,
  type EntityMetadata,
  type EntitySubscriberInterface,
  type QueryRunner,
} from 'typeorm'

/** Whoever has one of these may change an entity before its statement. */
const BEFORE = [
  'beforeInsert',
  'beforeUpdate',
  'beforeRemove',
  'beforeSoftRemove',
  'beforeRecover',
] as const satisfies readonly (keyof EntitySubscriberInterface)[]

const withListeners = new WeakMap<readonly EntityMetadata[], boolean>()
/** The entities whose before-events are over. Another save may go on before this step is forgotten. */
let settled: Set<object> | undefined

/**
 * True while the values of an entity stay as they were compared and announced: from its before-events until TypeORM
 * waits for something, if the application has no listeners for them. TypeORM compares the values again in between.
 */
export function isSettled(entity: object): boolean {
  return settled?.has(entity) === true
}

/** Called for each entity of the before-events. `isOurs` knows the subscriber that calls it. */
export function settle(
  queryRunner: QueryRunner,
  entity: object,
  isOurs: (subscriber: object) => boolean,
): void {
  // Called so on both majors.
  const { connection }: { connection: DataSource } = queryRunner
  const { subscribers, entityMetadatas } = connection
  if (subscribers.some((each) => !isOurs(each) && isListening(each)) || haveListeners(entityMetadatas)) return
  if (!settled) {
    settled = new Set()
    queueMicrotask(() => (settled = undefined))
  }
  settled.add(entity)
}

function isListening(subscriber: EntitySubscriberInterface): boolean {
  return BEFORE.some((event) => Reflect.get(subscriber, event) !== undefined)
}

function haveListeners(all: readonly EntityMetadata[]): boolean {
  let have = withListeners.get(all)
  if (have === undefined) {
    have = all.some(({ listeners }) => listeners.some(({ type }) => type.startsWith('before')))
    withListeners.set(all, have)
  }
  return have
}
