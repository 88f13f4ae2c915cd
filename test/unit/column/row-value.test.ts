import { integerForm, rowValueText, type RowValueForm, valueOfText } from '../../../src/column/row-value'

const UUID = '6f9619ff-8b86-d011-b42d-00c04fc964ff'
const BYTE = integerForm(0n, 255n)
const SIGNED = integerForm(-(2n ** 63n), 2n ** 63n - 1n)
const UNSIGNED = integerForm(0n, 2n ** 64n - 1n)
const uuid: RowValueForm = { kind: 'uuid' }
const boolean: RowValueForm = { kind: 'boolean' }
const bytes = (length?: number): RowValueForm => ({ kind: 'bytes', length })
const text = (length?: number, isAscii = false): RowValueForm => ({ kind: 'text', length, isAscii })
const large = Buffer.from('000102abff00', 'hex')

describe('A value of the row', () => {
  test.each<[what: string, form: RowValueForm, value: unknown, text: string]>([
    ['the least number', BYTE, 0, '0'],
    ['the greatest number', BYTE, 255, '255'],
    ['minus zero', BYTE, -0, '0'],
    ['true where it is a number', BYTE, true, '1'],
    ['false where it is a number', BYTE, false, '0'],
    ['the least integer as text', BYTE, '0', '0'],
    ['the greatest integer as text', BYTE, '255', '255'],
    ['a digit', BYTE, '7', '7'],
    ['a negative number', SIGNED, -12, '-12'],
    ['a negative integer as text', SIGNED, '-12', '-12'],
    ['the least that is exact as a number', SIGNED, Number.MIN_SAFE_INTEGER, '-9007199254740991'],
    ['the greatest that is exact as a number', SIGNED, Number.MAX_SAFE_INTEGER, '9007199254740991'],
    ['the least bigint', SIGNED, -(2n ** 63n), '-9223372036854775808'],
    ['the greatest bigint', SIGNED, 2n ** 63n - 1n, '9223372036854775807'],
    ['the longest integer as text', UNSIGNED, '18446744073709551615', '18446744073709551615'],
    ['a uuid', uuid, UUID, UUID],
    ['a uuid in capitals', uuid, UUID.toUpperCase(), UUID],
    ['true', boolean, true, 'true'],
    ['false', boolean, false, 'false'],
    ['bytes', bytes(), Buffer.from([0, 0xab, 255]), '00abff'],
    ['no bytes', bytes(), Buffer.alloc(0), ''],
    ['as many bytes as there may be', bytes(3), Uint8Array.of(1, 2, 3), '010203'],
    ['a part of a larger buffer', bytes(), large.subarray(2, 4), '02ab'],
    ['a text', text(), 'ä "🔑"', 'ä "🔑"'],
    ['an empty text', text(0), '', ''],
    ['as many characters as there may be', text(3), 'abc', 'abc'],
    ['as many characters as there may be, of two units each', text(2), '🔑🔑', '🔑🔑'],
    ['a text of ASCII', text(undefined, true), '\u0001 ~\u007f', '\u0001 ~\u007f'],
    ['an empty text of ASCII', text(undefined, true), '', ''],
  ])('has a text as the database has it: %s', (_, form, value, expected) => {
    expect(rowValueText(form, value)).toBe(expected)
    // What a person types stands for the same value.
    expect(rowValueText(form, valueOfText(form, expected))).toBe(expected)
  })

  const ASCII = 'characters of ASCII, because the character set of the column lacks others'

  test.each<[expected: string, form: RowValueForm, values: unknown[]]>([
    [
      'a whole number from 0 to 255, a large one as text or bigint',
      BYTE,
      // Some databases take texts like these as numbers, and deliver others.
      ['', ' 5', '5 ', '+5', '05', '00', '-0', '5.0', '5e1', '0x5', '5x', 'x5', '-', '٥', '1,000', '5\n'],
    ],
    [
      'a whole number from 0 to 255, a large one as text or bigint',
      BYTE,
      [-1, 256, 1.5, NaN, -1n, 256n, '-1', '256', ['5'], {}, new Date(5)],
    ],
    [
      'a whole number from -9223372036854775808 to 9223372036854775807, a large one as text or bigint',
      SIGNED,
      [2 ** 53, -(2 ** 53), Infinity, 2n ** 63n, -(2n ** 63n) - 1n, '9223372036854775808'],
    ],
    [
      'a uuid with hyphens',
      uuid,
      [`${UUID}0`, `0${UUID}`, `{${UUID}}`, UUID.replaceAll('-', ''), Buffer.alloc(16), 6, {}],
    ],
    ['a uuid with hyphens', uuid, ['6f', '8b', 'd0', 'b4', '04'].map((digits) => UUID.replace(digits, 'gg'))],
    ['true or false', boolean, ['true', 'false', 1, 0, {}]],
    ['a Buffer', bytes(), ['00', [0, 1], new ArrayBuffer(2), 5]],
    ['at most 3 bytes', bytes(3), [Buffer.alloc(4)]],
    ['a string', text(), [5, true, Buffer.from('x'), new String('x'), ['x']]],
    ['at most 3 characters', text(3), ['abcd']],
    ['at most 2 characters', text(2), ['🔑🔑🔑']],
    ['a string without NUL', text(), ['a\0b', '\0']],
    [ASCII, text(undefined, true), ['é', 'aé', 'éa', '\u0080']],
  ])(
    'is refused with what it must be, %s, where the database would store it otherwise',
    (expected, form, values) => {
      for (const value of values) expect(rowValueText(form, value)).toEqual({ expected })
    },
  )
})

test.each<[form: RowValueForm, typed: string, value: unknown]>([
  [boolean, 'true', true],
  [boolean, 'false', false],
  [boolean, 'TRUE', 'TRUE'],
  [boolean, '', ''],
  [bytes(), '', Buffer.alloc(0)],
  [bytes(), '00ab', Buffer.from([0, 0xab])],
  [bytes(), '00AB', Buffer.from([0, 0xab])],
  [bytes(), 'abc', 'abc'],
  [bytes(), '00xy', '00xy'],
  [bytes(), 'xy00', 'xy00'],
  [text(), 'true', 'true'],
  [text(), '00ab', '00ab'],
  [uuid, UUID, UUID],
  [BYTE, '12', '12'],
])('What a person types for %p, %p, stands for the value %p', (form, typed, value) => {
  expect(valueOfText(form, typed)).toEqual(value)
})
