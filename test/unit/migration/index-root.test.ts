import { IndexRoot } from '../../../src/cipher/blind-index/index-root'
import { usedIndexRoot } from '../../../src/migration/indexes/index-root'
import { type BoundColumn } from '../../../src/orm/bound-column'

const root = Object.create(IndexRoot.prototype) as IndexRoot
const other = Object.create(IndexRoot.prototype) as IndexRoot
const columnWith = (...given: unknown[]): BoundColumn =>
  ({ indexes: given.map((each) => ({ given: each })) }) as unknown as BoundColumn

describe('the index key in the options', () => {
  it('is that of the first column that has one, with all such columns', () => {
    const [plain, stored, first, second] = [
      columnWith(),
      columnWith(undefined),
      columnWith(root),
      columnWith(root, other),
    ] as const
    expect(usedIndexRoot([plain, stored, first, second])).toEqual({ root, columns: [first, second] })
    expect(usedIndexRoot([second])?.root).toBe(root)
  })

  it('is none where no column has one', () => {
    expect(usedIndexRoot([])).toBeUndefined()
    expect(usedIndexRoot([columnWith(), columnWith({})])).toBeUndefined()
  })
})
