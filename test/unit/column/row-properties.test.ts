import { type RowProperties, rowPropertiesOf } from '../../../src/column/row-properties'

test.each<[given: RowProperties | undefined, names: [name: string | undefined, property: string][]]>([
  [undefined, []],
  [[], []],
  [{}, []],
  // A pair of a list is called like the column in the database.
  [['id', 'owner.tenantId'], [[undefined, 'id'], [undefined, 'owner.tenantId']]], // prettier-ignore
  [{ tenant: 'tenantId', of: 'id' }, [['tenant', 'tenantId'], ['of', 'id']]], // prettier-ignore
])(
  '%j are properties of the row, with names that they keep or the names of their columns',
  (given, names) => {
    expect(rowPropertiesOf(given)).toEqual(names.map(([name, property]) => ({ name, property })))
  },
)
