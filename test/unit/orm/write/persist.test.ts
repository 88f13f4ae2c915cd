import { InvalidValueError } from '../../../../src/errors'
import { type BoundColumn } from '../../../../src/orm/bound-column'
import { SealedValue } from '../../../../src/orm/sealed-value'
import { pending, persist } from '../../../../src/orm/write/persist'
import { PlaintextWrites } from '../../../../src/orm/write/plaintext-writes'
import { KeptCiphertext, PendingCiphertext, PendingPlaintext } from '../../../../src/orm/write/tokens'
import { closeColumns, columnOf } from './support'

afterEach(closeColumns)

const persisted = (column: BoundColumn, value: unknown): PendingCiphertext => {
  const token = persist(column, value)
  if (!(token instanceof PendingCiphertext)) throw new Error('This was expected to be encrypted')
  return token
}
const markerOf = (column: BoundColumn): object => new SealedValue(column, 'stored', undefined).placeholder

describe('A value on its way into a statement', () => {
  it.each([
    ['text', 'string', 'a', 'a'],
    ['empty text', 'string', '', ''],
    ['an object', 'json', { a: 1 }, '{"a":1}'],
    ['a number', 'number', 0, '0'],
    ['false', 'boolean', false, 'false'],
    ['bytes', 'buffer', Buffer.from([0, 255]), Buffer.from([0, 255])],
    ['no bytes', 'buffer', Buffer.alloc(0), Buffer.alloc(0)],
  ] as const)('is encrypted: %s', (_, type, value, plaintext) => {
    const column = columnOf({ type })
    const token = persisted(column, value)
    expect([token.column, token.is(plaintext)]).toEqual([column, true])
    expect(token).not.toBeInstanceOf(KeptCiphertext)
  })

  it('is what it was then, whatever the application writes into its Buffer', () => {
    const value = Buffer.from('old')
    const token = persisted(columnOf({ type: 'buffer' }), value)
    value.write('new')
    expect(token.is(Buffer.from('old'))).toBe(true)
  })

  it('stays as it is where there is none, and where it is on its way already', () => {
    const column = columnOf()
    const given = [null, undefined, persisted(column, 'a'), new KeptCiphertext(column, 'stored')]
    expect(given.map((value) => persist(column, value) === value)).toEqual([true, true, true, true])
  })

  it.each([
    ['of another type', 5, 'INVALID_VALUE'],
    ['raw SQL', () => 'upper(secret)', 'RAW_SQL_REFUSED'],
  ])('that is %s is refused', (_, value, code) => {
    expect(() => persist(columnOf(), value)).toThrow(
      expect.objectContaining({ code, entity: 'User', property: 'secret' }) as Error,
    )
  })
})

describe('A value that was not decrypted', () => {
  it('is kept in its own column, also of another entity over the table', () => {
    const [column, ofOtherEntity] = [columnOf(), columnOf()]
    const token = persisted(column, markerOf(ofOtherEntity))
    expect(token).toBeInstanceOf(KeptCiphertext)
    expect([(token as KeptCiphertext).stored, token.column]).toEqual(['stored', column])
  })

  it('goes into no other column, and both are named', () => {
    const other = columnOf({ type: 'string' }, 'other')
    expect(() => persist(columnOf(), markerOf(other))).toThrow(InvalidValueError)
    expect(() => persist(columnOf(), markerOf(other))).toThrow(/^User\.secret: a value of User\.other /)
  })
})

it.each([
  ['plaintext', PendingPlaintext, true],
  ['ciphertext', PendingPlaintext, false],
] as const)('What writes says is asked for each value: %s', (writes, Class, expected) => {
  const ask = jest.fn((): 'plaintext' | 'ciphertext' => writes)
  const place = { entity: 'User', property: 'secret' }
  const plaintextWrites = PlaintextWrites.of(
    { acceptPlaintext: true },
    ask,
    place,
    { hidesParameters: false },
    'bytes',
  )
  const column = columnOf({ type: 'string', acceptPlaintext: true }, 'secret', { plaintextWrites })
  const tokens = [persisted(column, 'a'), pending(column, 'b')]
  expect(tokens.map((token) => token instanceof Class)).toEqual([expected, expected])
  expect(tokens.map((token, at) => token.is(at === 0 ? 'a' : 'b'))).toEqual([true, true])
  expect(ask).toHaveBeenCalledTimes(2)
})
