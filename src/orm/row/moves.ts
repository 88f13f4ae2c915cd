import { type ObjectLiteral } from 'typeorm'
import { KmsEncryptionError } from '../../errors'
import { type EncryptedColumn } from '../encrypted-column'
import { type BindableColumn } from './bindable-column'

/** True if saving an entity changes what the values of its row are bound to. */
export function moves({ recipes }: EncryptedColumn, entity: ObjectLiteral, row: ObjectLiteral): boolean {
  return recipes.opensBy.some((column) => {
    const value = valueOf(column, entity)
    if (value === undefined) return false
    const before = textOf(column, valueOf(column, row))
    return before !== undefined && textOf(column, value) !== before
  })
}

function valueOf({ metadata }: BindableColumn, entity: ObjectLiteral): unknown {
  return metadata.getEntityValue(entity, true) as unknown
}

/** What has no text is refused when it is stored. */
function textOf(column: BindableColumn, value: unknown): string | undefined {
  try {
    return column.textOf(value)
  } catch (error) {
    if (error instanceof KmsEncryptionError) return undefined
    throw error
  }
}
