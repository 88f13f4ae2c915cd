import { asPlaintext } from '../../../../src/cipher/bytes'
import { valueTypeOf, valueTypes } from '../../../../src/column/types'
import { InvalidValueError } from '../../../../src/errors'

class Address {
  city = ''
}

describe('The value type that follows from design:type', () => {
  test.each([
    ['String', String, 'string'],
    ['Number', Number, 'number'],
    ['Boolean', Boolean, 'boolean'],
    ['BigInt', BigInt, 'bigint'],
    ['Date', Date, 'date'],
    ['Buffer', Buffer, 'buffer'],
    ['Uint8Array', Uint8Array, 'buffer'],
    ['Object (an interface or a union)', Object, 'json'],
    ['Array', Array, 'json'],
    ['a class', Address, 'json'],
  ])('of %s', (_, designType, name) => {
    expect(valueTypeOf(designType)?.name).toBe(name)
  })

  test.each([
    ['nothing', undefined],
    ['a Promise (a lazy property)', Promise],
    ['a function', Function],
    ['a symbol', Symbol],
  ])('is none for %s', (_, designType) => {
    expect(valueTypeOf(designType)).toBeUndefined()
  })

  test('is the declared one itself, except for JSON', () => {
    expect(valueTypeOf(String)).toBe(valueTypes.string)
    expect(valueTypeOf(Object)).not.toBe(valueTypes.json)
  })
})

describe('JSON that was concluded from design:type', () => {
  const inferred = valueTypeOf(Object)!

  test.each([[{ a: 1 }], [[1, 2]], [new Address()]])('takes %p', (value) => {
    expect(inferred.deserialise(asPlaintext(Buffer.from(inferred.serialise(value) as string)))).toEqual(
      JSON.parse(JSON.stringify(value)),
    )
  })

  test.each([['text'], [1], [true], [null], [undefined]])(
    'refuses %p, which the compiler may have meant otherwise',
    (value) => {
      expect(() => inferred.serialise(value)).toThrow(InvalidValueError)
      expect(() => inferred.serialise(value)).toThrow(/give it: @KmsEncrypted\(\{ type: 'string' \}\)/)
    },
  )

  test('refuses stored JSON that is no object', () => {
    expect(() => inferred.deserialise(asPlaintext(Buffer.from('"text"')))).toThrow(InvalidValueError)
  })
})
