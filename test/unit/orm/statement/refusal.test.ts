import { type ErrorDetails, RawSqlRefusedError, SearchRefusedError } from '../../../../src/errors'
import { type BoundColumn } from '../../../../src/orm/bound-column'
import {
  indexRefusal,
  isHarmless,
  rawValueRefusal,
  refusalOf,
  unreadableRefusal,
} from '../../../../src/orm/statement/refusal'
import { type ColumnUse, type Place } from '../../../../src/orm/statement/statement'
import { table } from './support'

const usr = table('usr', 'id*', 'secret!')

function useIn(place: Place, rest: Partial<ColumnUse> = {}): ColumnUse {
  const source = { table: usr, column: usr.columns[1]!, row: 'usr' }
  return {
    source,
    place,
    called: undefined,
    start: 0,
    end: 6,
    isRaw: false,
    nameStart: 0,
    isDirect: true,
    ...rest,
  }
}

/** What refusals ask of a column: an error that names it. */
const column = {
  name: 'User.secret',
  indexes: [],
  scheme: { indexes: [] },
  error: <E>(Type: new (message: string, details: ErrorDetails) => E, reason: string): E =>
    new Type(`User.secret: ${reason}`, {}),
} as unknown as BoundColumn

const HARMLESS: Place[] = [
  'selected',
  'target',
  'null-test',
  'counted',
  'unchanged-test',
  'grouped-by-key',
  'itself',
]
const REFUSED: [Place, message: RegExp][] = [
  ['searched', /User\.secret: /],
  ['ordered', /cannot be sorted by/],
  ['counted-distinct', /an aggregate of an encrypted column/],
  ['aggregated', /an aggregate of an encrypted column/],
  ['grouped', /tell equal values by their ciphertexts/],
  ['computed', /an expression with an encrypted column/],
  ['raw-value', /cannot be stored in an encrypted column/],
  ['unplaced', /cannot be told what this name stands for/],
]

test.each(HARMLESS)('An encrypted column may be %s', (place) => {
  expect(isHarmless(useIn(place))).toBe(true)
})

test.each(REFUSED)(
  'One that is %s is refused, unless the application means the ciphertext',
  (place, message) => {
    expect(isHarmless(useIn(place))).toBe(false)
    expect(isHarmless(useIn(place, { isRaw: true }))).toBe(true)
    const error = refusalOf(column, useIn(place))()
    expect(error).toBeInstanceOf(place === 'raw-value' ? RawSqlRefusedError : SearchRefusedError)
    expect(error.message).toMatch(message)
    expect(error.message).toContain('User.secret')
  },
)

test.each<[Place, string]>([
  ['aggregated', 'SUM of an encrypted column'],
  ['counted-distinct', 'SUM of an encrypted column'],
  ['computed', 'SUM(…) with an encrypted column'],
])('A refusal of what is %s names the function: %s', (place, text) => {
  expect(refusalOf(column, useIn(place, { called: 'SUM' }))().message).toContain(text)
})

test.each<[Place, boolean]>([
  ['ordered', false],
  ['grouped', false],
  ['aggregated', true],
  ['computed', true],
  ['unplaced', true],
])('Whether encryption.raw() is a remedy for what is %s: %s', (place, isRemedy) => {
  expect(refusalOf(column, useIn(place))().message.includes('encryption.raw(')).toBe(isRemedy)
})

test('Each refusal is an error of its own', () => {
  const refusal = refusalOf(column, useIn('ordered'))
  expect(refusal()).not.toBe(refusal())
  expect(rawValueRefusal(column)()).toBeInstanceOf(RawSqlRefusedError)
})

test('A statement that cannot be read says why, and a blind index how it is written', () => {
  const unreadable = unreadableRefusal(column, 'a text does not end')()
  expect(unreadable).toBeInstanceOf(SearchRefusedError)
  expect(unreadable.message).toContain('cannot be read (a text does not end)')
  const index = indexRefusal('secret_index')()
  expect(index).toBeInstanceOf(RawSqlRefusedError)
  expect(index.message).toContain('the column secret_index holds a blind index')
  expect(index.message).toContain('encryption.encryptAll()')
})
