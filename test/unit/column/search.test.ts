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
  [{ name: 'both', with: ['a', 1] }, undefined, /list of properties/],
  [{ name: 'x', other: 1 }, undefined, /unknown option search.other/],
  [undefined, true, /unique needs search/],
  [undefined, false, /unique needs search/],
  [[], undefined, /at least one/],
  [[true, true], undefined, /same name/],
  [[{ name: 'a' }, { name: 'b' }, { name: 'a' }], undefined, /same name/],
  ...[false, null, 'email', 5, [null], ['email']].map((search): [unknown, undefined, RegExp] => [
    search,
    undefined,
    /search must be true, options, or a list of them/,
  ]),
  ...['', '1st', '_a', 'a-b', 'a b', 'é', 'a'.repeat(32), 5, ['a'], null].map(
    (name): [unknown, undefined, RegExp] => [
      { name },
      undefined,
      /search.name must be a letter with up to 30/,
    ],
  ),
  [{ normalize: 'lower' }, undefined, /search.normalize must be a function/],
  [{ normalize: null }, undefined, /search.normalize must be a function/],
  [{ name: 'x', from: 'domain' }, undefined, /search.from must be a function/],
  [{ name: 'x', from: null }, undefined, /search.from must be a function/],
  [{ name: 'x', from, normalize: from }, undefined, /normalize or from/],
  [{ from }, undefined, /search.from needs search.name/],
  [{ from, name: 'index' }, undefined, /search.from needs search.name/],
  [{ filling: 1 }, undefined, /search.filling must be true or false/],
  [{ filling: null }, undefined, /search.filling must be true or false/],
  [{ unique: 'yes' }, undefined, /search.unique must be true or false, or 'perKey' with keyPer/],
  [{ unique: null }, undefined, /search.unique must be/],
  [true, 'yes', /^unique must be true or false, or 'perKey' with keyPer/],
  [{ unique: 'perKey' }, undefined, /search.unique: 'perKey' needs keyPer. Declare search.unique: true/],
  [true, 'perKey', /^unique: 'perKey' needs keyPer/],
  [{ name: 'x' }, true, /the index without a name, which search does not have/],
  [{ name: 'x' }, false, /the index without a name, which search does not have/],
  [[{ bits: 8 }, { name: 'x' }], true, /unique needs the whole index/],
])('search: %j and unique: %j are refused', (search, unique, reason) => {
  expect(() => declared(search, unique)).toThrow(reason)
})

test.each<[search: unknown, unique: unknown, reason: RegExp]>([
  [{ unique: true }, undefined, /^search.unique: true cannot be held with keyPer.*search.unique: 'perKey'/],
  [true, true, /^unique: true cannot be held with keyPer.*Declare unique: 'perKey'/],
  [{ bits: 8, unique: 'perKey' }, undefined, /neither with unique nor/],
  [{ bits: 8 }, 'perKey', /unique needs the whole index/],
  [{ unique: 'yes' }, undefined, /search.unique must be/],
])('search: %j and unique: %j are refused where values are keyed', (search, unique, reason) => {
  expect(() => declared(search, unique, true)).toThrow(reason)
})

test.each<[search: unknown, unique: unknown, isKeyed: boolean, names: string[], areUnique: boolean[]]>([
  [true, undefined, false, ['index'], [false]],
  [true, false, false, ['index'], [false]],
  [true, true, false, ['index'], [true]],
  [true, 'perKey', true, ['index'], [true]],
  [true, false, true, ['index'], [false]],
  [{}, true, false, ['index'], [true]],
  [{ unique: true }, undefined, false, ['index'], [true]],
  [{ unique: true }, false, false, ['index'], [true]],
  [{ unique: 'perKey' }, undefined, true, ['index'], [true]],
  [[{ name: 'x', bits: 8 }, true], true, false, ['x', 'index'], [false, true]],
  [[true, { name: 'x', unique: true }], false, false, ['index', 'x'], [false, true]],
  [{ name: 'a'.repeat(31) }, undefined, false, ['a'.repeat(31)], [false]],
  [{ name: 'Z_9' }, undefined, false, ['Z_9'], [false]],
])('search: %j and unique: %j are declared (keyed: %j)', (search, unique, isKeyed, names, areUnique) => {
  const indexes = declared(search, unique, isKeyed)
  expect(indexes.map(({ name }) => name)).toEqual(names)
  expect(indexes.map(({ isUnique }) => isUnique)).toEqual(areUnique)
})

test('of the hash at least one bit is kept, and at most 120', () => {
  expect(declared([{ bits: 1 }, { name: 'x', bits: 120 }]).map(({ bits }) => bits)).toEqual([1, 120])
})

test('without search there is no index', () => {
  expect(declared(undefined)).toEqual([])
})

test('what is compared instead of the value is what was given, and so is what fills', () => {
  const [first, second] = declared([
    { normalize: from, filling: true },
    { name: 'x', from },
  ])
  expect(first).toMatchObject({ normalize: from, from: undefined, isFilling: true })
  expect(second).toMatchObject({ normalize: undefined, from, isFilling: false })
})

test('what is declared has a name, and what it is made of', () => {
  expect(declared([true, { name: 'both', with: ['a'] }, { name: 'few', bits: 4 }], true)).toEqual([
    expect.objectContaining({ name: 'index', isUnique: true, bits: undefined, with: [] }),
    expect.objectContaining({ name: 'both', isUnique: false, with: ['a'] }),
    expect.objectContaining({ name: 'few', bits: 4 }),
  ])
})
