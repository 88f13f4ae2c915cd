import { declaredIndexes, type SearchOption } from '../../../src/column/search'

const declared = (search: unknown, unique?: unknown, isKeyed = false) =>
  declaredIndexes(search as SearchOption, unique, isKeyed, (reason) => {
    throw new Error(reason)
  })

const from = (value: string) => value

test.each<[unknown, unknown, RegExp]>([
  [{ bits: 0 }, undefined, /bits must be a whole number from 1 to 120/],
  [{ bits: 121 }, undefined, /bits must be/],
  [{ bits: 1.5 }, undefined, /bits must be/],
  [{ bits: '8' }, undefined, /bits must be/],
  [{ bits: 8, unique: true }, undefined, /neither with unique nor/],
  [{ bits: 8 }, true, /unique needs the whole index/],
  [{ name: 'both', with: ['a'], bits: 8 }, undefined, /neither with unique nor/],
  [{ with: ['a'] }, undefined, /with needs search.name/],
  [{ name: 'both', with: ['a'], from }, undefined, /without normalize and from/],
  [{ name: 'both', with: ['a'], normalize: from }, undefined, /without normalize and from/],
  [{ name: 'both', with: [] }, undefined, /list of properties/],
  [{ name: 'both', with: 'a' }, undefined, /list of properties/],
  [{ name: 'both', with: ['a', 'a'] }, undefined, /each once/],
  [{ name: 'both', with: [1] }, undefined, /list of properties/],
  [{ name: 'x', other: 1 }, undefined, /unknown option search.other/],
  [undefined, true, /unique needs search/],
  [[], undefined, /at least one/],
  [[true, true], undefined, /same name/],
])('search: %j and unique: %j are refused', (search, unique, reason) => {
  expect(() => declared(search, unique)).toThrow(reason)
})

test('what is declared has a name, and what it is made of', () => {
  expect(declared([true, { name: 'both', with: ['a'] }, { name: 'few', bits: 4 }], true)).toEqual([
    expect.objectContaining({ name: 'index', isUnique: true, bits: undefined, with: [] }),
    expect.objectContaining({ name: 'both', isUnique: false, with: ['a'] }),
    expect.objectContaining({ name: 'few', bits: 4 }),
  ])
})
