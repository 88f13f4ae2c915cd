import {
  type EntitySubscriberInterface,
  EventSubscriber,
  type InsertEvent,
  type ObjectLiteral,
  type UpdateEvent,
} from 'typeorm'
import { openSealed } from './read/after-load'
import { SealedValue } from './sealed-value'
import { announceInsert, announceUpdate } from './write/announcement'
import { settle } from './write/settled'

/**
 * The entity subscriber. Before insert and update it refuses values that cannot be stored and fetches the data
 * keys, so that trouble shows before the first statement; after load it decrypts what hydration could not.
 * Encryption itself does not depend on it: that happens in the query runner, with listeners on or off.
 */
@EventSubscriber()
export class KmsEncryptionSubscriber implements EntitySubscriberInterface {
  beforeInsert({ entity, metadata, queryRunner }: InsertEvent<ObjectLiteral>): Promise<unknown> | undefined {
    const given = entity as ObjectLiteral | undefined
    if (!given) return undefined
    settle(queryRunner, given, isOurs)
    return announceInsert(queryRunner, metadata, given)
  }

  beforeUpdate({
    entity,
    metadata,
    queryRunner,
    updatedColumns,
  }: UpdateEvent<ObjectLiteral>): Promise<unknown> | undefined {
    if (!entity) return undefined
    settle(queryRunner, entity, isOurs)
    return announceUpdate(queryRunner, metadata, entity, updatedColumns)
  }

  /** TypeORM calls it for each entity of a page, at a cost, and does not if there is none. */
  get afterLoad(): typeof openSealed | undefined {
    return SealedValue.exists ? openSealed : undefined
  }
}

function isOurs(subscriber: object): boolean {
  return subscriber instanceof KmsEncryptionSubscriber
}
