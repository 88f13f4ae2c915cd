import { asBuffer, isDelivered, isSame } from '../../../../src/dialects/rows/is-same'

const bytes = (text: string): Buffer => Buffer.from(text)

describe('A stored value', () => {
  it.each([
    ['ü', 'ü', true],
    ['ü', bytes('ü'), true],
    [bytes('ü'), 'ü', true],
    [bytes('ü'), bytes('ü'), true],
    ['', bytes(''), true],
    ['a', 'b', false],
    ['a', bytes('b'), false],
    [bytes('a'), bytes('ab'), false],
    // Halves of a pair have the same bytes, and are not the same text.
    ['\ud800', '\udfff', false],
    ['a', undefined, false],
    ['', undefined, false],
  ])('%j and %j: %s', (a, b, same) => {
    expect(isSame(a, b)).toBe(same)
  })

  it('is not copied where it is bytes', () => {
    const stored = bytes('a')
    expect(asBuffer(stored)).toBe(stored)
    expect(asBuffer('ü')).toEqual(bytes('ü'))
  })
})

describe('A value as a driver delivers it', () => {
  const day = (): Date => new Date('2024-02-29T00:00:00Z')

  it.each<[unknown, unknown, boolean]>([
    [1, 1, true],
    [1, '1', false],
    [null, null, true],
    [bytes('a'), bytes('a'), true],
    [bytes('a'), new Uint8Array([97]), true],
    [new Uint8Array([97]), bytes('a'), true],
    [bytes('a'), bytes('b'), false],
    [bytes('a'), 'a', false],
    ['a', bytes('a'), false],
    [day(), day(), true],
    [day(), new Date(0), false],
    [day(), day().getTime(), false],
    [day().getTime(), day(), false],
  ])('%p and %p: %s', (a, b, same) => {
    expect(isDelivered(a, b)).toBe(same)
  })
})
