import { inspect } from 'node:util'
import { type SearchOption } from '../../../../src/column/search'
import { InvalidValueError } from '../../../../src/errors'
import { type BoundColumn } from '../../../../src/orm/bound-column'
import { type EncryptedColumn, type Searcher } from '../../../../src/orm/encrypted-column'
import { SealedAhead } from '../../../../src/orm/write/sealed-ahead'
import {
  ComparisonToken,
  INDEXED,
  KeptCiphertext,
  NOT_INDEXED,
  PendingCiphertext,
  searchRefusal,
} from '../../../../src/orm/write/tokens'
import { closeColumns, columnOf } from './support'

afterEach(closeColumns)

const PLAINTEXT = 'canary'

/** The column as tokens see it, searched or not. */
function searchedBy(searcher: Searcher | undefined, isIndexedTogether = false): EncryptedColumn {
  return Object.defineProperties(columnOf(), {
    searchedBy: { value: searcher },
    isIndexedTogether: { value: isIndexedTogether },
  })
}

const hasherOf = (byte: string, isReady = true) => ({
  isReady,
  hashOf: jest.fn(() => Buffer.from(byte, 'hex')),
})

describe.each<[string, (column: BoundColumn) => object]>([
  ['that is compared', (column) => new ComparisonToken(column, PLAINTEXT)],
  ['that is stored', (column) => new PendingCiphertext(column, PLAINTEXT)],
  ['that is kept', (column) => new KeptCiphertext(column, PLAINTEXT)],
])('A value %s', (_, tokenOf) => {
  it.each([
    ['text', (token: object) => (token as ComparisonToken).toString()],
    ['JSON', (token: object) => JSON.stringify({ token })],
    ['SQL of mysql2', (token: object) => (token as ComparisonToken).toSqlString()],
    ['a parameter of pg', (token: object) => (token as ComparisonToken).toPostgres()],
  ])('does not become %s', (__, use) => {
    expect(() => use(tokenOf(columnOf()))).toThrow(
      expect.objectContaining({ code: 'SEARCH_REFUSED', entity: 'User', property: 'secret' }) as Error,
    )
  })

  it('prints where it belongs, and not what it is', () => {
    expect(inspect([tokenOf(columnOf())])).toBe('[ [encrypted User.secret] ]')
  })
})

describe('A value that is compared', () => {
  const fault = new InvalidValueError('no text')

  it('is the same value of the same column only', () => {
    const [column, other] = [columnOf(), columnOf()]
    const token = new ComparisonToken(column, PLAINTEXT)
    expect([
      token.stands(column, PLAINTEXT),
      token.stands(column, 'another'),
      token.stands(other, PLAINTEXT),
    ]).toEqual([true, false, false])
  })

  it.each([
    ['ASCII', 'text', 'text'],
    ['text', 'ü€', Buffer.from('ü€').toString('latin1')],
    ['bytes', Buffer.from([0, 0xc1, 65]), '\0\xc1A'],
  ])('has its bytes, one a character: %s', (_, value, bytes) => {
    expect(new ComparisonToken(columnOf(), value).bytesOf(columnOf())).toBe(bytes)
  })

  it('has no bytes in another column, nor where it is no value of its own', () => {
    const column = columnOf()
    expect([
      new ComparisonToken(column, PLAINTEXT).bytesOf(columnOf({ type: 'string' }, 'other')),
      new ComparisonToken(column, PLAINTEXT, fault).bytesOf(column),
      new ComparisonToken(column, PLAINTEXT, undefined, []).bytesOf(column),
    ]).toEqual([undefined, undefined, undefined])
  })

  it('is hashed once by each index', () => {
    const [one, two] = [hasherOf('01'), hasherOf('02')]
    const token = new ComparisonToken(columnOf(), PLAINTEXT)
    expect([one, one, two].map((by) => token.hashBy(by).toString('hex'))).toEqual(['01', '01', '02'])
    expect(one.hashOf.mock.calls).toEqual([[PLAINTEXT]])
  })

  it('that is none is hashed by no index, and names its property', () => {
    const token = new ComparisonToken(columnOf(), '', fault)
    expect(() => token.hashBy(hasherOf('01'))).toThrow(
      expect.objectContaining({ code: fault.code, entity: 'User', property: 'secret' }) as Error,
    )
  })

  it.each<[string, Searcher | undefined, boolean, InvalidValueError | undefined, string]>([
    ['its index', { constant: hasherOf('c0ffee') }, false, undefined, `${INDEXED}c0ffee`],
    [
      'nothing before there is an index key',
      { constant: hasherOf('01', false) },
      false,
      undefined,
      NOT_INDEXED,
    ],
    ['nothing where the key is of its row', { constant: undefined }, false, undefined, NOT_INDEXED],
    ['nothing where it is no value', { constant: hasherOf('01') }, false, fault, NOT_INDEXED],
    ['nothing where it is indexed with others', undefined, true, undefined, NOT_INDEXED],
  ])('is in the key of the query result cache as %s', (_, searcher, isTogether, why, key) => {
    const token = new ComparisonToken(searchedBy(searcher, isTogether), PLAINTEXT, why)
    expect(JSON.parse(JSON.stringify([token]))).toEqual([key])
  })
})

describe('A value that is stored', () => {
  it('is encrypted ahead, or at once, or when KMS has answered', async () => {
    const column = columnOf()
    const { recipe } = column
    const ahead = new SealedAhead()
    const token = new PendingCiphertext(column, PLAINTEXT)
    expect(await token.encrypt(recipe, ahead)).toBeInstanceOf(Buffer)
    expect(token.encrypt(recipe, ahead)).toBeInstanceOf(Buffer)
    void ahead.announce(column, recipe, PLAINTEXT)
    ahead.workLater()
    await new Promise((resolve) => setImmediate(resolve))
    const now = jest.spyOn(column, 'encryptNow')
    expect(token.encrypt(recipe, ahead)).toBeInstanceOf(Buffer)
    expect([now.mock.calls.length, ahead.isEmpty]).toEqual([0, true])
  })

  it('is what it was behind a marker, and no value of an update', () => {
    const token = new KeptCiphertext(columnOf(), 'stored')
    expect(token.encrypt()).toBe('stored')
    expect(token.updateRefusal()).toMatchObject({ code: 'NOT_DECRYPTED', property: 'secret' })
  })
})

describe('The refusal of a search', () => {
  it.each<[string, SearchOption | undefined, names: string[], not: string[]]>([
    ['no index', undefined, ['search: true'], ['Indexed']],
    ['named ones only', [{ name: 'last4', from: () => 1 }], ["Indexed('last4', …)"], ['search: true']],
    ['one that is being filled', [{ filling: true }], ['filling: true'], ['IN']],
    ['an exact one', true, ['NOT IN', ', Not'], ['with normalize', 'with bits']],
    ['a normalised one', { normalize: (v) => v }, ['with normalize', 'not under NOT'], ['NOT IN', ', Not']],
    ['one of some bits', { bits: 16 }, ['with bits', 'not under NOT'], ['NOT IN', ', Not']],
  ])('with %s says what can be done', (_, search, names, not) => {
    const error = searchRefusal(columnOf({ type: 'string', ...(search && { search }) }))
    expect(error).toMatchObject({ code: 'SEARCH_REFUSED', entity: 'User', property: 'secret' })
    for (const name of names) expect(error.message).toContain(name)
    for (const name of not) expect(error.message).not.toContain(name)
  })
})
