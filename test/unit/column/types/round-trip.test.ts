import fc from 'fast-check'
import { asPlaintext } from '../../../../src/cipher/bytes'
import { type ValueTypeName, valueTypes } from '../../../../src/column/types'
import { InvalidValueError } from '../../../../src/errors'
import { runs } from '../../../support/thorough'

function roundTrip(type: ValueTypeName, value: unknown): unknown {
  const serialised = valueTypes[type].serialise(value)
  const bytes = Buffer.from(serialised as string)
  // The cipher seals text as UTF-8: it must come back as the text that it was.
  if (typeof serialised === 'string') expect(bytes.toString('utf8')).toBe(serialised)
  return valueTypes[type].deserialise(asPlaintext(bytes))
}

const bytesOf = (type: ValueTypeName, value: unknown): string =>
  Buffer.from(valueTypes[type].serialise(value) as string).toString('latin1')

/** JSON has no -0. */
const json = fc
  .jsonValue({ stringUnit: 'binary' })
  .map((value) => JSON.parse(JSON.stringify(value)) as unknown)

const identities: [type: ValueTypeName, values: fc.Arbitrary<unknown>][] = [
  ['string', fc.string({ unit: 'binary', maxLength: 500 })],
  ['string', fc.string({ unit: 'grapheme', maxLength: 200 })],
  ['buffer', fc.uint8Array({ maxLength: 1_000 }).map((bytes) => Buffer.from(bytes))],
  ['json', json],
  ['number', fc.double()],
  ['number', fc.double({ min: -2.3e-308, max: 2.3e-308 })],
  ['number', fc.integer()],
  ['number', fc.maxSafeInteger()],
  ['bigint', fc.bigInt()],
  ['boolean', fc.boolean()],
  ['date', fc.date({ noInvalidDate: true })],
]

describe('A value comes back as it was', () => {
  test.each(identities)('%s', (type, values) => {
    fc.assert(
      fc.property(values, (value) => {
        expect(roundTrip(type, value)).toStrictEqual(value)
      }),
      { numRuns: runs(300, 20_000) },
    )
  })

  const special: [type: ValueTypeName, name: string, value: unknown][] = [
    ['string', 'empty', ''],
    ['string', 'one NUL', '\0'],
    ['string', '4-byte characters', '\u{1f511}\u{10000}\u{10ffff}'],
    ['string', 'a byte order mark', '\ufeffx\ufeff'],
    ['string', 'a replacement character of its own', '\ufffd'],
    ['string', 'line and paragraph separators', '\u2028\u2029\r\n'],
    ['string', 'unnormalised', 'e\u0301\u00e9'],
    ['string', 'the last character before the surrogates and the first after', '\ud7ff\ue000'],
    ['buffer', 'empty', Buffer.alloc(0)],
    ['buffer', 'not UTF-8', Buffer.from('c1c0f5ff', 'hex')],
    ['buffer', '10 MB', Buffer.alloc(10_000_000, 'x')],
    ['json', 'null', null],
    ['json', 'a lone surrogate', ['\ud800', { '\udfff': '\udc00' }]],
    ['json', 'a member named __proto__', JSON.parse('{"__proto__":{"a":1}}')],
    ['json', 'an empty text', ''],
    ['json', 'deeply nested', Array.from({ length: 500 }).reduce<unknown>((inner) => [inner], 1)],
    ['number', 'NaN', NaN],
    ['number', 'Infinity', Infinity],
    ['number', '-Infinity', -Infinity],
    ['number', '-0', -0],
    ['number', '0', 0],
    ['number', 'the smallest subnormal', Number.MIN_VALUE],
    ['number', 'the largest subnormal', 2.225073858507201e-308],
    ['number', 'the largest', Number.MAX_VALUE],
    ['number', 'beyond safe integers', 2 ** 53 + 2],
    ['bigint', 'beyond 64 bits', -(2n ** 4_000n)],
    ['bigint', '0', 0n],
    ['boolean', 'true', true],
    ['boolean', 'false', false],
    ['date', 'the earliest', new Date(-8.64e15)],
    ['date', 'the latest', new Date(8.64e15)],
    ['date', 'before the year 0', new Date('-000001-01-01T00:00:00.000Z')],
    ['date', 'a millisecond', new Date(1)],
  ]

  test.each(special)('%s: %s', (type, _, value) => {
    expect(roundTrip(type, value)).toStrictEqual(value)
  })

  test('a Uint8Array comes back as a Buffer of the same bytes, a part of a larger one too', () => {
    const part = new Uint8Array(Buffer.from('xxabcxx').buffer.slice(0), 0, 7).subarray(2, 5)
    const back = roundTrip('buffer', part)
    expect(Buffer.isBuffer(back)).toBe(true)
    expect(back).toEqual(Buffer.from(part))
  })
})

describe('Text with a lone surrogate', () => {
  test('is refused, wherever it is, and never altered', () => {
    const surrogate = fc.integer({ min: 0xd800, max: 0xdfff }).map((code) => String.fromCharCode(code))
    const text = fc.string({ unit: 'binary' })
    fc.assert(
      fc.property(text, surrogate, text, (before, lone, after) => {
        const value = before + lone + after
        expect(value.isWellFormed()).toBe(false)
        expect(() => valueTypes.string.serialise(value)).toThrow(InvalidValueError)
      }),
    )
    expect(() => valueTypes.string.serialise('\udc00\ud800')).toThrow(/toWellFormed\(\)/)
  })
})

describe('The serialised form', () => {
  const forms: [type: ValueTypeName, value: unknown, form: string][] = [
    ['string', 'ä', '\u00c3\u00a4'],
    ['json', { b: 1, a: [null, 'x'] }, '{"b":1,"a":[null,"x"]}'],
    ['json', { a: undefined }, '{}'],
    ['json', [-0], '[0]'],
    ['number', -0, '-0'],
    ['number', 1e21, '1e+21'],
    ['number', 0.1 + 0.2, '0.30000000000000004'],
    ['bigint', -1n, '-1'],
    ['boolean', true, 'true'],
    ['date', new Date(0), '1970-01-01T00:00:00.000Z'],
  ]

  test.each(forms)('of a %s %p is as documented', (type, value, form) => {
    expect(bytesOf(type, value)).toBe(form)
  })
})
