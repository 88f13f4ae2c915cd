import fc from 'fast-check'
import { checkContext, type EncryptionContext, serialiseContext } from '../../../src/cipher/context'
import { InvalidOptionError } from '../../../src/errors'

const hex = (context: EncryptionContext): string => serialiseContext(context).toString('hex')
const text = fc.string({ unit: 'binary', maxLength: 20 })
const contexts = fc.dictionary(text, text, { maxKeys: 8, noNullPrototype: true })

/** Reads the serialised form back, so that nothing can have been lost in it. */
function parse(bytes: Buffer): [string, string][] {
  let at = 2
  const next = (): string => {
    const start = at + 2
    at = start + bytes.readUInt16BE(at)
    return bytes.toString('utf8', start, at)
  }
  const pairs = Array.from({ length: bytes.readUInt16BE(0) }, (): [string, string] => [next(), next()])
  expect(at).toBe(bytes.length)
  return pairs
}

describe('A serialised context', () => {
  test('is the number of pairs, then each key and value with its length before it', () => {
    expect(hex({})).toBe('0000')
    expect(hex({ table: 'user' })).toBe('000100057461626c65000475736572')
    expect(hex({ a: '', b: 'x' })).toBe('0002' + '0001610000' + '000162000178')
  })

  test('counts bytes of UTF-8, not characters', () => {
    expect(hex({ ä: '\u{1f511}' })).toBe('0001' + '0002c3a4' + '0004f09f9491')
  })

  test('does not depend on the order in which the pairs were given', () => {
    expect(hex({ b: '1', a: '2' })).toBe(hex({ a: '2', b: '1' }))
  })

  test('is sorted by the UTF-8 bytes of the keys, not by UTF-16, length or number', () => {
    const keys = ['\u{1f511}', '\ufb00', 'ä', 'b', 'aa', 'a', 'B', '10', '9']
    const context = Object.fromEntries(keys.map((key) => [key, 'x']))
    const sorted = ['10', '9', 'B', 'a', 'aa', 'b', 'ä', '\ufb00', '\u{1f511}']
    expect(parse(serialiseContext(context)).map(([key]) => key)).toEqual(sorted)
  })

  test('holds every pair, and is different for different contexts', () => {
    fc.assert(
      fc.property(contexts, (context) => {
        const pairs = parse(serialiseContext(context))
        expect(new Map(pairs)).toEqual(new Map(Object.entries(context)))
        const keys = pairs.map(([key]) => Buffer.from(key))
        expect(keys).toEqual([...keys].sort((a, b) => a.compare(b)))
      }),
    )
  })

  test('cannot be made to look like another one by moving bytes between key and value', () => {
    expect(hex({ ab: 'c' })).not.toBe(hex({ a: 'bc' }))
    expect(hex({ a: 'b', c: 'd' })).not.toBe(hex({ a: 'b\u0000\u0001c\u0000\u0001d' }))
  })

  test('keeps a pair named __proto__', () => {
    expect(hex(JSON.parse('{"__proto__":"x"}') as EncryptionContext)).toBe(
      '0001' + '00095f5f70726f746f5f5f' + '000178',
    )
  })
})

describe('The context option', () => {
  const refused: [what: string, context: unknown, reason: RegExp][] = [
    ['null', null, /must be an object of strings/],
    ['a text', 'table=user', /must be an object of strings/],
    ['an array', ['user'], /must be an object of strings/],
    ['a Map, whose pairs would be lost', new Map([['table', 'user']]), /must have at least one pair/],
    ['no pairs', {}, /must have at least one pair/],
    ['a number as value', { tenant: 1 }, /strings only; "tenant"/],
    ['null as value', { tenant: null }, /strings only; "tenant"/],
    ['undefined as value', { tenant: undefined }, /strings only; "tenant"/],
    ['an object as value', { tenant: {} }, /strings only; "tenant"/],
    ['the name of the column pair', { column: 'x' }, /must not use "column"/],
    ['the name that marks the empty value', { empty: 'true' }, /must not use "empty"/],
    ['a name of the row pairs', { 'row.id': '1' }, /must not use "row\.id"/],
    ['a row pair without a property', { 'row.': '1' }, /must not use "row\."/],
    ['an empty name', { '': 'x' }, /well-formed, non-empty/],
    ['a lone surrogate in a name', { '\ud800': 'x' }, /well-formed/],
    ['a lone surrogate in a value', { tenant: '\udc00' }, /well-formed/],
    ['more bytes than KMS takes', { tenant: 'x'.repeat(7000) }, /7006 bytes/],
    ['more bytes than KMS takes, in few characters', { tenant: 'ä'.repeat(3500) }, /7006 bytes/],
  ]

  test.each(refused)('is refused: %s', (_, context, reason) => {
    const check = (): void => {
      checkContext(context as EncryptionContext, { entity: 'User', property: 'key' })
    }
    expect(check).toThrow(InvalidOptionError)
    expect(check).toThrow(reason)
    expect(check).toThrow(/^User\.key: the encryption context/)
  })

  test('is taken: any other pairs of texts', () => {
    const taken: EncryptionContext[] = [
      { table: 'user' },
      { Column: 'x', columns: 'y', rowid: 'z', rows: '', 'Row.id': '1', ' column': ' ' },
      { 日本: '\u{1f511}' },
      { tenant: 'x'.repeat(6994) },
      Object.assign(Object.create(null) as Record<string, string>, { table: 'user' }),
    ]
    for (const context of taken) {
      expect(() => {
        checkContext(context)
      }).not.toThrow()
    }
  })
})
