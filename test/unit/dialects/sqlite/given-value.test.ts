import { givenValue } from '../../../../src/dialects/sqlite/given-value'

describe('What an application gave, of what TypeORM gives SQLite,', () => {
  it.each<[Parameters<typeof givenValue>[0], unknown, unknown]>([
    ['boolean', 1, true],
    ['boolean', 0, false],
    ['boolean', 2, 2],
    ['boolean', true, true],
    ['number', 1, 1],
    ['number', 0, 0],
    ['date', '2024-02-29 12:34:56.789', new Date('2024-02-29T12:34:56.789Z')],
    ['date', '2024-02-29 12:34:56.7890', '2024-02-29 12:34:56.7890'],
    ['date', ' 2024-02-29 12:34:56.789', ' 2024-02-29 12:34:56.789'],
    ['date', '2024-02-29T12:34:56.789', '2024-02-29T12:34:56.789'],
    ['date', '2024-02-29', '2024-02-29'],
    ['date', 5, 5],
    ['date', null, null],
    ['string', '2024-02-29 12:34:56.789', '2024-02-29 12:34:56.789'],
  ])('for a %s of %p is %p', (type, parameter, given) => {
    expect(givenValue(type, parameter)).toEqual(given)
  })
})
