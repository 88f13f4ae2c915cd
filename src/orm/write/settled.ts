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
let isSettled = false

/**
 * True while the values of a save stay as they were compared and announced: from its before-events until TypeORM
 * waits for something, if the application has no listeners for them. TypeORM compares the values again in between.
 */
export function areSettled(): boolean {
  return isSettled
}

/** Called for each entity of the before-events. `isOurs` knows the subscriber that calls it. */
export function settle(queryRunner: QueryRunner, isOurs: (subscriber: object) => boolean): void {
  if (isSettled) return
  // Called so on both majors.
  const { connection }: { connection: DataSource } = queryRunner
  const { subscribers, entityMetadatas } = connection
  if (subscribers.some((each) => !isOurs(each) && isListening(each)) || haveListeners(entityMetadatas)) return
  isSettled = true
  queueMicrotask(() => (isSettled = false))
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
