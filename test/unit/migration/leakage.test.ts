import { adviceOn } from '../../../src/migration/leakage/advice'
import { classFigures, expectedOfBits } from '../../../src/migration/leakage/class-figures'

const lengths = { distinct: 1, alone: 0 }

test.each<[string, [number, number][], object]>([
  ['no rows', [], { rows: 0, classes: 0, largest: 0, alone: 0, met: 0, entropy: 0, guess: 0 }],
  ['one row', [[1, 1]], { rows: 1, classes: 1, largest: 1, alone: 1, met: 1, entropy: 0, guess: 0 }],
  ['one value', [[8, 1]], { rows: 8, classes: 1, largest: 8, alone: 0, met: 8, entropy: 0, guess: 0 }],
  ['all different', [[1, 8]], { rows: 8, classes: 8, largest: 1, alone: 8, met: 1, entropy: 3, guess: 3 }],
  ['two halves', [[4, 2]], { rows: 8, classes: 2, largest: 4, alone: 0, met: 4, entropy: 1, guess: 1 }],
  [
    'one frequent value',
    [
      [4, 1],
      [1, 4],
    ],
    { rows: 8, classes: 5, largest: 4, alone: 4, met: 2.5, entropy: 2, guess: 1 },
  ],
])('figures of %s', (_, sizes, expected) => {
  expect(classFigures(sizes.map(([size, classes]) => ({ size, classes })))).toEqual(expected)
})

test('what is to be expected of fewer bits', () => {
  const unique = [{ size: 1, classes: 257 }]
  expect(expectedOfBits(unique, 8)).toEqual({ values: 2, met: 2 })
  expect(expectedOfBits(unique, 0)).toEqual({ values: 257, met: 257 })
  expect(expectedOfBits([], 8)).toEqual({ values: 0, met: 0 })
})

const none = { isTruncated: false, met: () => 0 }

test.each<[string, [number, number][], RegExp]>([
  ['no values', [], /no values yet/],
  ['unique values', [[1, 1000]], /occurs once/],
  ['few values', [[500, 2]], /2 different values, the most frequent in 50 %/],
  [
    'a frequent value among many',
    [
      [50, 1],
      [1, 950],
    ],
    /most frequent in 5.0 %/,
  ],
  [
    'a value in one of a hundred rows',
    [
      [10, 1],
      [1, 990],
    ],
    /most frequent in 1.0 %/,
  ],
  [
    'a value in fewer rows',
    [
      [10, 1],
      [1, 991],
    ],
    /of the rows have the value of another row/,
  ],
  [
    '100 values',
    [
      [1, 99],
      [2, 1],
    ],
    /^100 different values/,
  ],
  [
    'some equal values',
    [
      [2, 100],
      [1, 1800],
    ],
    /10 % of the rows have the value of another/,
  ],
])('advice on %s', (_, sizes, expected) => {
  const figures = classFigures(sizes.map(([size, classes]) => ({ size, classes })))
  expect(adviceOn(figures, 0, lengths, none).slice(0, 1)).toEqual([expect.stringMatching(expected)])
})

test('advice on lengths and NULLs', () => {
  const figures = classFigures([{ size: 1, classes: 9 }])
  expect(adviceOn(figures, 4, { distinct: 3, alone: 1 }, none).slice(1)).toEqual([
    expect.stringMatching(/3 different lengths, and 1 rows have a length of their own/),
    expect.stringMatching(/4 rows have no value/),
  ])
  expect(adviceOn(figures, 0, { distinct: 2, alone: 0 }, none).slice(1)).toEqual([
    expect.stringMatching(/^Ciphertexts have 2 different lengths: each tells/),
  ])
})

test('advice on bits: as many as have some values share them, where values are shared and none is frequent', () => {
  const sizes = [
    { size: 2, classes: 1000 },
    { size: 1, classes: 1000 },
  ]
  const met = (bits: number): number => expectedOfBits(sizes, bits).met
  const advice = (isTruncated: boolean) =>
    adviceOn(classFigures(sizes), 0, lengths, { isTruncated, met }).filter((each) => each.includes('bits:'))
  expect(advice(false)).toEqual([expect.stringMatching(/bits: 6 .* opens about 49 rows/)])
  expect(advice(true)).toEqual([])
  const alone = classFigures([{ size: 1, classes: 1000 }])
  expect(adviceOn(alone, 0, lengths, { isTruncated: false, met })).toHaveLength(1)
})
