import { type Change } from '../../../../src/dialects/rows/column-rows'
import { parts } from '../../../../src/dialects/rows/parts'

const change = (value: Buffer | string): Change => ({
  row: { key: [1], id: 'n1', stored: '', primaryKey: () => ({ id: 1 }) },
  value,
})
const sizes = (...values: (Buffer | string)[]): number[][] =>
  Array.from(parts(values.map(change)), (part) => part.map(({ value }) => value.length))

const LIMIT = 2 ** 20
const bytes = (length: number): Buffer => Buffer.alloc(length)

describe('The parts of a batch', () => {
  it('take a mebibyte of values, and not one byte more', () => {
    expect(sizes(bytes(LIMIT / 2), bytes(LIMIT / 2), bytes(1))).toEqual([[LIMIT / 2, LIMIT / 2], [1]])
    expect(sizes(bytes(LIMIT / 2), bytes(LIMIT / 2 + 1))).toEqual([[LIMIT / 2], [LIMIT / 2 + 1]])
  })

  it('begin to count anew', () => {
    expect(sizes(bytes(LIMIT), bytes(LIMIT - 1), bytes(1), bytes(1))).toEqual([[LIMIT], [LIMIT - 1, 1], [1]])
  })

  it('have a value that is too long for one by itself', () => {
    expect(sizes(bytes(LIMIT + 1))).toEqual([[LIMIT + 1]])
    expect(sizes(bytes(1), bytes(LIMIT + 1), bytes(1))).toEqual([[1], [LIMIT + 1], [1]])
  })

  it('count the bytes of a text, not its characters', () => {
    expect(sizes('ü'.repeat(LIMIT / 2), bytes(0), 'a')).toEqual([[LIMIT / 2, 0], [1]])
  })

  it('are none of nothing', () => {
    expect(sizes()).toEqual([])
  })
})
