import { checkContext } from '../../../src/cipher/context'
import {
  checkPairName,
  checkPairsSize,
  checkPairValue,
  MAX_PAIR_VALUE,
  rowPairs,
} from '../../../src/cipher/pairs'
import { InvalidOptionError, InvalidValueError } from '../../../src/errors'

const RESERVED = [
  'column',
  'empty',
  'row',
  'row.',
  'row.id',
  'data-key',
  'data-key.',
  'data-key.x',
  'typeorm-kms-encrypted',
  'typeorm-kms-encrypted/1',
  'typeorm-kms-encryptedness\n',
]

describe('A name that the library gives to its own pairs', () => {
  test.each(RESERVED)('%j is refused in a context, and for a pair', (name) => {
    expect(() => {
      checkContext({ [name]: 'x' })
    }).toThrow(InvalidOptionError)
    expect(() => {
      checkPairName(name, { table: 'user' })
    }).toThrow(InvalidOptionError)
  })

  test('table is refused for a pair, and a context may have it', () => {
    expect(() => {
      checkPairName('table', {})
    }).toThrow(InvalidOptionError)
    checkContext({ table: 'x' })
  })

  test('a name that the context has is refused for a pair', () => {
    expect(() => {
      checkPairName('tenant', { tenant: 'x' })
    }).toThrow(/tenant.*has it already/)
  })

  test('others are taken', () => {
    for (const name of ['tenant', 'rows', 'rowid', 'Column', 'data_key', 'data-keys', 'x.row.id', 'straße'])
      checkPairName(name, { table: 'user' })
  })

  test('an empty name and lone surrogates are refused', () => {
    for (const name of ['', '\ud800']) {
      expect(() => {
        checkPairName(name, {})
      }).toThrow(InvalidOptionError)
    }
  })
})

describe('The value of a pair', () => {
  test('has at most 1,024 bytes of UTF-8', () => {
    for (const value of ['', 'x'.repeat(MAX_PAIR_VALUE), 'ä'.repeat(MAX_PAIR_VALUE / 2)])
      checkPairValue('a', value)
    for (const value of ['x'.repeat(MAX_PAIR_VALUE + 1), 'ä'.repeat(MAX_PAIR_VALUE / 2) + 'x']) {
      expect(() => {
        checkPairValue('a', value)
      }).toThrow(InvalidValueError)
    }
  })

  test('is well-formed, and is not shown in the error', () => {
    expect(() => {
      checkPairValue('a', 'marker\ud800')
    }).toThrow(expect.not.objectContaining({ message: expect.stringContaining('marker') }))
  })
})

test('The pairs of a row have row. before their names', () => {
  expect(rowPairs({ id: '42', owner: 'x' })).toEqual({ 'row.id': '42', 'row.owner': 'x' })
})

test('Pairs have 8,128 bytes together at most, which leaves room for one of the library in what KMS takes', () => {
  expect(() => {
    checkPairsSize(8_128)
  }).not.toThrow()
  expect(() => {
    checkPairsSize(8_129)
  }).toThrow(InvalidValueError)
})
