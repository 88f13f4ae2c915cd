import { type ObjectLiteral } from 'typeorm'
import { InvalidOptionError } from '../../errors'
import { type BoundColumn } from '../bound-column'
import { type ColumnMetadata } from '../typeorm-types'
import { hasAccessor } from './has-accessor'
import { UnreadProperty } from './unread-property'
import { UnreadValue } from './unread-value'

/**
 * Has TypeORM make unread properties of the values of a column when it makes entities. Only this one instance of its
 * metadata is changed. Throws `InvalidOptionError` for a column whose values cannot wait.
 */
export function openOnRead(column: BoundColumn): void {
  const refusal = refusalOf(column)
  if (refusal !== undefined) throw column.error(InvalidOptionError, `open: 'on-read' ${refusal}`)
  const { metadata } = column
  const { embeddedMetadata, propertyName } = metadata
  const property = new UnreadProperty(propertyName, column)
  const setEntityValue = metadata.setEntityValue.bind(metadata)
  metadata.setEntityValue = (entity: ObjectLiteral, value: unknown) => {
    if (!(value instanceof UnreadValue)) {
      setEntityValue(entity, value)
      return
    }
    // So TypeORM makes what it is embedded in.
    if (embeddedMetadata) setEntityValue(entity, undefined)
    value.entity = entity
    const owner = embeddedMetadata ? ownerIn(metadata, entity) : entity
    if (owner) property.define(owner, value)
  }
}

/** True if an entity has an unread value in a column. Reads nothing. */
export function isUnread({ opensOnRead, metadata }: BoundColumn, entity: ObjectLiteral): boolean {
  if (!opensOnRead) return false
  const owner = ownerIn(metadata, entity)
  return owner !== undefined && UnreadProperty.of(owner, metadata.propertyName) !== undefined
}

/** The object that has the property of a column: the entity, or what is embedded in it. */
function ownerIn({ embeddedMetadata }: ColumnMetadata, entity: ObjectLiteral): object | undefined {
  let owner: unknown = entity
  for (const name of embeddedMetadata?.parentPropertyNames ?? []) {
    owner = typeof owner === 'object' && owner !== null ? (Reflect.get(owner, name) as unknown) : undefined
  }
  return typeof owner === 'object' && owner !== null ? owner : undefined
}

/** Why the values of a column cannot wait until they are read. */
function refusalOf({ metadata, recipes }: BoundColumn): string | undefined {
  if (recipes.mode === 'direct')
    return "does not work with mode: 'direct': each value is a call to KMS there, and who reads a property cannot wait for one. Leave out one of the two."
  if (!recipes.constant)
    return 'does not work with boundTo.row and keyPer yet: such values are opened with their rows. Leave out one of the two.'
  return hasAccessor(metadata)
    ? 'makes an accessor of the property, and its class has one of its own already. Leave out one of the two.'
    : undefined
}
