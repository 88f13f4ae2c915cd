import { type Plaintext } from '../../../../src/column/types'
import { samePlaintext } from '../../../../src/orm/write/same-plaintext'

it.each<[Plaintext, Plaintext, expected: boolean]>([
  ['', '', true],
  ['ä', 'ä', true],
  ['a', 'b', false],
  ['a', 'A', false],
  [Buffer.alloc(0), Buffer.alloc(0), true],
  [Buffer.from([0, 255]), new Uint8Array([0, 255]), true],
  [Buffer.from([0, 255]), Buffer.from([0]), false],
  [Buffer.from([1]), Buffer.from([2]), false],
  // A column has values of one type.
  ['a', Buffer.from('a'), false],
  [Buffer.from('a'), 'a', false],
])('%p and %p are the same: %p', (a, b, expected) => {
  expect(samePlaintext(a, b)).toBe(expected)
})
