import { rowPropertiesOf } from '../../column/row-properties'
import { type DeclaredIndex } from '../../column/search'
import { InvalidOptionError } from '../../errors'
import { type BoundColumn } from '../bound-column'
import { boundColumn } from '../bound-columns'

/** The other columns of an index over several. Throws `InvalidOptionError`. */
export function membersBeside(column: BoundColumn, { with: properties, name }: DeclaredIndex): BoundColumn[] {
  return properties.map((property) => {
    const { entityMetadata, embeddedMetadata } = column.metadata
    const beside = entityMetadata.columns.find(
      (each) => each.propertyName === property && each.embeddedMetadata === embeddedMetadata,
    )
    const member = beside && boundColumn(beside)
    if (!member || member === column) {
      throw column.error(
        InvalidOptionError,
        `search.with of the index '${name}' names ${property}, which is no other encrypted property of the same class. Add @KmsEncrypted() to it; what is not encrypted is a condition of its own.`,
      )
    }
    if (keyedBy(member) !== keyedBy(column)) {
      throw column.error(
        InvalidOptionError,
        `the index '${name}' is over ${property}, too, whose keyPer is another. Give both properties the same keyPer: the index has one key.`,
      )
    }
    return member
  })
}

function keyedBy({ scheme }: BoundColumn): string {
  return JSON.stringify(rowPropertiesOf(scheme.options.keyPer))
}
