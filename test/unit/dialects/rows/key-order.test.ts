import {
  afterKey,
  anyKey,
  type KeyColumn,
  orderByKey,
  Parameters,
  sameKey,
} from '../../../../src/dialects/rows/key-order'

const key = (name: string): KeyColumn => ({
  property: name,
  sql: name,
  type: 'int',
  selected: name,
  text: name,
  value: (value, parameters) => parameters.add(value),
})
const [a, b, c] = [key('a'), key('b'), key('c')]

const numbered = (): Parameters => new Parameters((position) => `$${position}`)

describe('Parameters of a statement', () => {
  it('have the place in which they were added', () => {
    const parameters = numbered()
    expect([parameters.add('x'), parameters.add('y')]).toEqual(['$1', '$2'])
    expect(parameters.values).toEqual(['x', 'y'])
  })
})

describe('The rows after a key', () => {
  it.each([
    [[a], [1], 'a > $1', [1]],
    [[a, b], [1, 2], 'a >= $1 AND (a > $2 OR (a = $3 AND b > $4))', [1, 1, 1, 2]],
    [
      [a, b, c],
      [1, 2, 3],
      'a >= $1 AND (a > $2 OR (a = $3 AND (b > $4 OR (b = $5 AND c > $6))))',
      [1, 1, 1, 2, 2, 3],
    ],
  ])('%# are told column by column', (keys, values, sql, sent) => {
    const parameters = numbered()
    expect(afterKey(keys, values, parameters)).toBe(sql)
    expect(parameters.values).toEqual(sent)
  })

  it('do not exist where there is no key', () => {
    expect(() => afterKey([], [], numbered())).toThrow(RangeError)
  })
})

describe('The rows with a key', () => {
  it('have all of it', () => {
    const parameters = numbered()
    expect(sameKey([a, b], [1, 2], parameters)).toBe('a = $1 AND b = $2')
    expect(parameters.values).toEqual([1, 2])
  })

  it.each([
    [[a], [[1], [2]], 'a IN ($1, $2)', [1, 2]],
    [
      [a, b],
      [
        [1, 2],
        [3, 4],
      ],
      '((a = $1 AND b = $2) OR (a = $3 AND b = $4))',
      [1, 2, 3, 4],
    ],
  ])('%# have one of several', (keys, wanted, sql, sent) => {
    const parameters = numbered()
    expect(anyKey(keys, wanted, parameters)).toBe(sql)
    expect(parameters.values).toEqual(sent)
  })

  it('are in the order of its columns', () => {
    expect(orderByKey([a, b])).toBe('a, b')
  })
})
