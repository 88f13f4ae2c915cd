import {
  type EntitySubscriberInterface,
  EventSubscriber,
  type EntityMetadata,
  type InsertEvent,
  type LoadEvent,
  type ObjectLiteral,
  type QueryRunner,
  type UpdateEvent,
} from 'typeorm'
import { isLasting } from '../errors/kinds'
import { boundColumns } from './bound-columns'
import { type BoundColumn } from './bound-column'
import { SealedAhead } from './sealed-ahead'
import { SealedValue } from './sealed-value'
import { type ColumnMetadata } from './typeorm-types'

/**
 * The entity subscriber. Before insert and update it refuses values that cannot be stored and fetches the data
 * keys, so that trouble shows before the first statement; after load it decrypts what hydration could not.
 * Encryption itself does not depend on it: that happens in the query runner, with listeners on or off.
 */
@EventSubscriber()
export class KmsEncryptionSubscriber implements EntitySubscriberInterface {
  beforeInsert({ entity, metadata, queryRunner }: InsertEvent<ObjectLiteral>): Promise<unknown> | undefined {
    return prepare(queryRunner, metadata, entity, ({ isInsert }) => isInsert)
  }

  beforeUpdate({
    entity,
    metadata,
    queryRunner,
    updatedColumns,
  }: UpdateEvent<ObjectLiteral>): Promise<unknown> | undefined {
    return prepare(queryRunner, metadata, entity, (column) => updatedColumns.includes(column))
  }

  /** TypeORM calls it for each entity of a page, at a cost, and does not if there is none. */
  get afterLoad(): typeof openSealed | undefined {
    return SealedValue.exists ? openSealed : undefined
  }
}

function openSealed(entity: ObjectLiteral, event?: LoadEvent<ObjectLiteral>): Promise<unknown> | undefined {
  if (!event) return undefined
  const sealed = boundColumns(event.metadata.findInheritanceMetadata(entity)).flatMap((column) => {
    const value = SealedValue.of(column.metadata.getEntityValue(entity))
    return value ? [[column, value] as const] : []
  })
  return all(sealed.map(([column, value]) => open(entity, column, value)))
}

function prepare(
  queryRunner: QueryRunner,
  metadata: EntityMetadata,
  entity: ObjectLiteral | undefined,
  isStored: (column: ColumnMetadata) => boolean,
): Promise<unknown> | undefined {
  if (!entity) return undefined
  const values = boundColumns(metadata).flatMap((column) => {
    const value: unknown = column.metadata.getEntityValue(entity)
    if (value === null || value === undefined || SealedValue.of(value)) return []
    return [{ column, plaintext: column.serialise(value) }]
  })
  const ahead = SealedAhead.of(queryRunner)
  const waiting: Promise<unknown>[] = []
  for (const { column, plaintext } of values) {
    const preparation = column.prepare()
    if (preparation) waiting.push(preparation)
    const sealing = isStored(column.metadata) ? ahead.announce(column, plaintext) : undefined
    if (sealing) waiting.push(sealing)
  }
  return all(waiting)
}

/** All of them, for TypeORM, which leaves them to themselves when another listener or entity fails at once. */
function all(waiting: readonly Promise<unknown>[]): Promise<unknown> | undefined {
  if (waiting.length === 0) return undefined
  const done = Promise.all(waiting)
  done.catch(() => undefined)
  return done
}

async function open(entity: ObjectLiteral, column: BoundColumn, value: SealedValue): Promise<void> {
  try {
    if (value.failure) throw value.failure
    column.metadata.setEntityValue(entity, await column.decrypt(value.stored))
  } catch (error) {
    const failure = column.placed(error, entity)
    if (column.onUndecryptable === 'throw' || !isLasting(failure)) throw failure
    column.metadata.setEntityValue(entity, new SealedValue(column, value.stored, failure).placeholder)
  }
}
