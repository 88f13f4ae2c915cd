import { type EntityMetadata, type ObjectLiteral } from 'typeorm'
import { redact, type RedactOption } from '../column/redaction'
import { type BoundColumn } from './bound-column'
import { boundColumns } from './bound-columns'

/** Has the encrypted columns of an entity hidden where it is printed, as far as they or `byDefault` say so. */
export function redactColumns(metadata: EntityMetadata, byDefault: RedactOption = false): void {
  for (const column of boundColumns(metadata)) {
    const option = column.scheme.options.redact ?? byDefault
    if (option !== false) redactColumn(column, option)
  }
}

function redactColumn({ metadata: column, name }: BoundColumn, option: RedactOption): void {
  const { embeddedMetadata, entityMetadata, propertyName } = column
  const owner = embeddedMetadata ?? entityMetadata
  const type: unknown = embeddedMetadata ? embeddedMetadata.type : entityMetadata.target
  if (typeof type === 'function') {
    redact(type.prototype as object, propertyName, name, option)
    return
  }
  // Without a class each object is its own. TypeORM makes them here, for results and for `create()`.
  const create = owner.create.bind(owner) as (...args: unknown[]) => ObjectLiteral
  owner.create = (...args: unknown[]) => {
    const made = create(...args)
    redact(made, propertyName, name, option)
    return made
  }
}
