import { type ColumnMetadata } from '../typeorm-types'

/** True for a property that its class reads or sets by code of its own. */
export function hasAccessor({ embeddedMetadata, entityMetadata, propertyName }: ColumnMetadata): boolean {
  const type: unknown = embeddedMetadata ? embeddedMetadata.type : entityMetadata.target
  if (typeof type !== 'function') return false
  for (
    let each = type.prototype as object | null;
    each;
    each = Object.getPrototypeOf(each) as object | null
  ) {
    const descriptor = Object.getOwnPropertyDescriptor(each, propertyName)
    if (descriptor) return !('value' in descriptor)
  }
  return false
}
