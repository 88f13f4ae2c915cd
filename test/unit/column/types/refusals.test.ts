import { asPlaintext } from '../../../../src/cipher/bytes'
import { type ValueTypeName, valueTypes } from '../../../../src/column/types'
import { InvalidValueError, type KmsEncryptionError } from '../../../../src/errors'
import { formsOfMarker, newMarker } from '../../../support/markers'

const marker = newMarker()

class Wallet {
  constructor(readonly secret = marker) {}
}

/** One value of each kind, with the marker in it wherever it can hold one; and how an error names it. */
const values: [kind: string, value: unknown][] = [
  ['a string', marker],
  ['a number', 42_424_242],
  ['a bigint', 42_424_242n],
  ['a boolean', true],
  ['an object of class Buffer', Buffer.from(marker)],
  ['an object of class Date', new Date(42_424_242_000)],
  ['an object of class Object', { [marker]: marker }],
  ['an object of class Wallet', new Wallet()],
  ['an object of class String', new String(marker)],
  ['an object of class Number', new Number(42_424_242)],
  ['an object of class Map', new Map([[marker, marker]])],
  ['an object of class null', Object.create(null)],
  ['an object of class null', Object.create(Object.create(null) as object)],
  ['an array', [marker]],
  ['a function', Object.defineProperty(() => marker, 'name', { value: marker })],
  ['a symbol', Symbol(marker)],
  ['a undefined', undefined],
  ['null', null],
]

const taken: Record<Exclude<ValueTypeName, 'json'>, string[]> = {
  string: ['a string'],
  number: ['a number'],
  bigint: ['a bigint'],
  boolean: ['a boolean'],
  date: ['an object of class Date'],
  buffer: ['an object of class Buffer'],
}

function refusalOf(type: ValueTypeName, value: unknown): KmsEncryptionError {
  try {
    valueTypes[type].serialise(value)
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidValueError)
    return error as InvalidValueError
  }
  throw new Error(`${type} took it`)
}

describe.each(Object.keys(taken) as (keyof typeof taken)[])('A column of type %s', (type) => {
  test.each(values.filter(([kind]) => !taken[type].includes(kind)))(
    'refuses %s by its type, and does not show the value',
    (kind, value) => {
      const error = refusalOf(type, value)
      expect(error.message).toContain(`got ${kind}.`)
      expect(formsOfMarker(error.message, marker)).toEqual([])
      expect(error.message).not.toContain('42424242')
    },
  )
})

describe('A column of type date', () => {
  test('refuses an invalid Date', () => {
    expect(refusalOf('date', new Date(NaN)).message).toMatch(/the Date is invalid/)
  })
})

describe('A column of type json', () => {
  const circular: { self?: unknown } = {}
  circular.self = { list: [circular] }
  const refused: [what: string, value: unknown, reason: RegExp][] = [
    ['undefined', undefined, /undefined/],
    ['a function', () => marker, /a function/],
    ['a symbol', Symbol(marker), /a symbol/],
    ['a bigint', 1n, /a bigint/],
    ['NaN', NaN, /NaN or an infinity/],
    ['an infinity', -Infinity, /NaN or an infinity/],
    ['a Date', new Date(), /toJSON method \(Date\)/],
    ['a Buffer', Buffer.from(marker), /Buffer/],
    ['a Uint8Array', Uint8Array.of(1), /Uint8Array/],
    ['a Map', new Map([[marker, 1]]), /a Map/],
    ['a Set', new Set([marker]), /a Set/],
    ['a RegExp, which would become {}', /x/, /a RegExp/],
    ['an Error, which would become {}', new Error(marker), /an? Error/],
    ['an ArrayBuffer, which would become {}', new ArrayBuffer(8), /an? ArrayBuffer/],
    ['a Promise, which would become {}', Promise.resolve(marker), /a Promise/],
    ['a WeakMap, which would become {}', new WeakMap(), /a WeakMap/],
    ['a WeakSet, which would become {}', new WeakSet(), /a WeakSet/],
    ['a String object, which would become a text', new String(marker), /a String/],
    ['a Number object, which would become a number', new Number(1), /a Number/],
    ['a Boolean object, which would become a boolean', new Boolean(false), /a Boolean/],
    ['an object that contains itself', circular, /contains it/],
    ['an object with a toJSON', { toJSON: () => marker }, /toJSON method/],
    [
      'an object with a toJSON and no prototype',
      Object.assign(Object.create(null) as object, { toJSON: () => marker, constructor: { name: marker } }),
      /toJSON method/,
    ],
  ]

  test.each(refused)('refuses %s', (_, value, reason) => {
    expect(refusalOf('json', value).message).toMatch(reason)
    expect(formsOfMarker(refusalOf('json', value).message, marker)).toEqual([])
  })

  const nested = refused.filter(([what]) => what !== 'undefined' && what !== 'an object that contains itself')

  test.each(nested)(
    'refuses %s inside, and shows neither values nor names of members',
    (_, value, reason) => {
      for (const outer of [[value], [[1, value]], { [marker]: value }, { a: [{ [marker]: { b: value } }] }]) {
        const { message } = refusalOf('json', outer)
        expect(message).toMatch(reason)
        expect(formsOfMarker(message, marker)).toEqual([])
      }
    },
  )

  test.each<[value: unknown, reason: string]>([
    [undefined, 'the value is undefined, which'],
    [NaN, 'the value is NaN or an infinity, which'],
    [[[1, undefined]], 'the value at [0][1] is undefined, which'],
    [{ [marker]: [true, 1n] }, 'the value at .*[1] is a bigint, which'],
  ])('says where it is: %p', (value, reason) => {
    expect(refusalOf('json', value).message).toContain(reason)
  })

  test('refuses undefined and holes in arrays, which would become null', () => {
    expect(refusalOf('json', [1, undefined]).message).toMatch(/undefined/)
    expect(refusalOf('json', new Array(2)).message).toMatch(/undefined/)
  })

  test('takes an object that occurs twice, but not inside itself', () => {
    const shared = { a: 1 }
    expect(valueTypes.json.serialise({ x: shared, y: [shared] })).toBe('{"x":{"a":1},"y":[{"a":1}]}')
  })

  test('takes instances of classes and objects without a prototype', () => {
    expect(valueTypes.json.serialise(new Wallet('x'))).toBe('{"secret":"x"}')
    expect(valueTypes.json.serialise(Object.assign(Object.create(null) as object, { a: 1 }))).toBe('{"a":1}')
  })
})

describe('Decrypted bytes that are not of the type', () => {
  const wrong: [type: ValueTypeName, bytes: string][] = [
    ['string', 'ff'],
    ['string', 'eda080'],
    ['json', Buffer.from(`{"${marker}": ${marker}`).toString('hex')],
    ['json', ''],
    ['number', ''],
    ['number', '20'],
    ['number', Buffer.from('12a').toString('hex')],
    ['number', Buffer.from('nan').toString('hex')],
    ['number', Buffer.from(marker).toString('hex')],
    ['bigint', ''],
    ['bigint', Buffer.from('1.5').toString('hex')],
    ['bigint', Buffer.from('0x10').toString('hex')],
    ['bigint', Buffer.from('-').toString('hex')],
    ['boolean', ''],
    ['boolean', Buffer.from('1').toString('hex')],
    ['boolean', Buffer.from('TRUE').toString('hex')],
    ['date', ''],
    ['date', Buffer.from(marker).toString('hex')],
  ]

  test.each(wrong)('are refused by %s and not shown: %s', (type, hex) => {
    let error: unknown
    try {
      valueTypes[type].deserialise(asPlaintext(Buffer.from(hex, 'hex')))
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(InvalidValueError)
    const { message, cause, stack = '' } = error as InvalidValueError
    expect(formsOfMarker(message + stack + String(cause), marker)).toEqual([])
  })
})

// Passes read plaintext of a column with them, too.
test.each(['string', 'number', 'bigint', 'boolean', 'date', 'json'] as const)(
  'A %s that it is not is not said to be decrypted',
  (type) => {
    const read = (): unknown => valueTypes[type].deserialise(asPlaintext(Buffer.from([0xff])))
    expect(read).toThrow(InvalidValueError)
    expect(read).toThrow(/^the value is not/)
  },
)
