import { conclusion } from '../../../src/cli/commands/verify'

describe('Where nothing failed, verify says', () => {
  it.each([
    [[], 'There are no values.'],
    [[[0, 0, 0]], 'There are no values.'],
    [[[3, 0, 0]], 'Every value opens.'],
    [
      [
        [3, 1, 0],
        [2, 1, 0],
      ],
      'Every value opens, except 2 that are forgotten.',
    ],
    [[[3, 1, 0]], 'Every value opens, except 1 that is forgotten.'],
    [
      [
        [3, 3, 0],
        [1, 1, 0],
      ],
      'No value opens: all are forgotten.',
    ],
    [[[3, 0, 2]], 'Every value opens. 2 are not encrypted yet: typeorm-kms encrypt.'],
  ])('of %j (values, forgotten, not encrypted): %s', (columns, text) => {
    const results = columns.map(([rows = 0, forgotten = 0, notCiphertext = 0]) => ({
      rows,
      forgotten,
      notCiphertext,
    }))
    expect(conclusion(results)).toBe(text)
  })
})
