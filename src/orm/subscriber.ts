import {
  type EntitySubscriberInterface,
  EventSubscriber,
  type EntityMetadata,
  type InsertEvent,
  type LoadEvent,
  type ObjectLiteral,
  type UpdateEvent,
} from 'typeorm'
import { boundColumns } from './bound-columns'
import { type BoundColumn } from './bound-column'
import { SealedValue } from './sealed-value'
import { type ColumnMetadata } from './typeorm-types'
import { isLasting } from './undecryptable'

/**
 * The entity subscriber. Before insert and update it refuses values that cannot be stored and fetches the data
 * keys, so that trouble shows before the first statement; after load it decrypts what hydration could not.
 * Encryption itself does not depend on it: that happens in the query runner, with listeners on or off.
 */
@EventSubscriber()
export class KmsEncryptionSubscriber implements EntitySubscriberInterface {
  beforeInsert({ entity, metadata }: InsertEvent<ObjectLiteral>): Promise<unknown> | undefined {
    return prepare(metadata, entity)
  }

  beforeUpdate({
    entity,
    metadata,
    updatedColumns,
  }: UpdateEvent<ObjectLiteral>): Promise<unknown> | undefined {
    return prepare(metadata, entity, updatedColumns)
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
  return sealed.length === 0
    ? undefined
    : Promise.all(sealed.map(([column, value]) => open(entity, column, value)))
}

function prepare(
  metadata: EntityMetadata,
  entity: ObjectLiteral | undefined,
  stored: readonly ColumnMetadata[] = metadata.columns,
): Promise<unknown> | undefined {
  if (!entity) return undefined
  const waiting: Promise<unknown>[] = []
  for (const column of boundColumns(metadata)) {
    const value: unknown = column.metadata.getEntityValue(entity)
    if (value === null || value === undefined || SealedValue.of(value)) continue
    const plaintext = column.serialise(value)
    const preparation =
      column.prepare() ?? (stored.includes(column.metadata) ? column.encryptAhead(plaintext) : undefined)
    if (preparation) waiting.push(preparation)
  }
  return waiting.length === 0 ? undefined : Promise.all(waiting)
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
