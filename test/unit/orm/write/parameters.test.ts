import { Scope } from '../../../../src/cipher/scope'
import { RowUnknownError } from '../../../../src/errors'
import { type BoundColumn } from '../../../../src/orm/bound-column'
import { type Recipes, type RowRecipe, type RowValues } from '../../../../src/orm/recipe'
import { IndexedValue } from '../../../../src/orm/search/indexed'
import { type SentStatement } from '../../../../src/orm/write/parameter-rows'
import { hasPending, sealAll } from '../../../../src/orm/write/parameters'
import { PlaintextWrites } from '../../../../src/orm/write/plaintext-writes'
import { SealedAhead } from '../../../../src/orm/write/sealed-ahead'
import { ComparisonToken, PendingCiphertext, PendingPlaintext } from '../../../../src/orm/write/tokens'
import { readerOf } from '../statement/support'
import { closeColumns, columnOf } from './support'

afterEach(closeColumns)

const noStatement = (): never => {
  throw new Error('no statement was expected to be asked for')
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('Parameters that hold values to encrypt', () => {
  const value = (): PendingCiphertext => new PendingCiphertext(columnOf(), 'a')

  it.each<[string, () => unknown, expected: boolean]>([
    ['none at all', () => undefined, false],
    ['names, as of another driver', () => ({ secret: value() }), false],
    ['an empty list', () => [], false],
    ['values of other columns', () => [null, undefined, 'a', 5, {}, [], ['a', null]], false],
    ['one', () => [value()], true],
    ['one before others', () => [value(), 'a', null, ['a']], true],
    ['one behind others', () => ['a', null, ['a'], {}, value()], true],
  ])('%s', (_, parameters, expected) => {
    expect(hasPending(parameters())).toBe(expected)
  })

  it.each<[string, () => unknown[]]>([
    ['a value that is searched', () => [new ComparisonToken(columnOf(), 'a')]],
    ['one in a list', () => [[1, new ComparisonToken(columnOf(), 'a')]]],
    ['one of a named index', () => [new IndexedValue('last4', '4242')]],
    ['one of a named index in a list', () => [[new IndexedValue('last4', '4242')]]],
    ['one behind a value to encrypt', () => [value(), new ComparisonToken(columnOf(), 'a')]],
  ])('are refused with %s', (_, parameters) => {
    expect(() => hasPending(parameters())).toThrow(
      expect.objectContaining({ code: 'SEARCH_REFUSED' }) as Error,
    )
  })
})

describe('The parameters of a statement', () => {
  /** A column whose data key is at hand. */
  async function readyColumn(): Promise<BoundColumn> {
    const column = columnOf()
    await column.prepare(column.recipe)
    return column
  }
  const opened = async (column: BoundColumn, stored: unknown): Promise<string> =>
    String(await column.decrypt(stored, column.recipe))

  it('hold ciphertexts at once where the data key is at hand, and are another list', async () => {
    const column = await readyColumn()
    const parameters = [1, new PendingCiphertext(column, 'a'), null, new PendingCiphertext(column, 'b')]
    const before = [...parameters]
    const sealed = sealAll(parameters, noStatement, new SealedAhead())
    if (sealed instanceof Promise) throw new Error('Nothing was expected to be waited for')
    expect([sealed.length, sealed[0], sealed[2]]).toEqual([4, 1, null])
    expect([await opened(column, sealed[1]), await opened(column, sealed[3])]).toEqual(['a', 'b'])
    expect(parameters).toEqual(before)
  })

  it('are waited for where KMS must be asked, and each comes into its place', async () => {
    const [column, other] = [columnOf(), columnOf({ type: 'string' }, 'other')]
    const parameters = [new PendingCiphertext(column, 'a'), 1, new PendingCiphertext(other, 'b')]
    const sealing = sealAll(parameters, noStatement, new SealedAhead())
    expect(sealing).toBeInstanceOf(Promise)
    const sealed = await sealing
    expect(sealed[1]).toBe(1)
    expect([await opened(column, sealed[0]), await opened(other, sealed[2])]).toEqual(['a', 'b'])
  })

  it('take what was encrypted ahead', async () => {
    const column = await readyColumn()
    const ahead = new SealedAhead()
    void ahead.announce(column, column.recipe, 'a')
    void sealAll([new PendingCiphertext(column, 'a')], noStatement, ahead)
    expect(ahead.isEmpty).toBe(true)
  })

  it('hold plaintext where writes says so, as the column holds it', () => {
    const place = { entity: 'User', property: 'secret' }
    const plaintextWrites = PlaintextWrites.of(
      { acceptPlaintext: true, writes: 'plaintext' },
      undefined,
      place,
      { hidesParameters: false },
      'bytes',
    )
    const column = columnOf({ type: 'string', acceptPlaintext: true }, 'secret', { plaintextWrites })
    const encrypt = jest.spyOn(column, 'encrypt')
    const parameters = [new PendingPlaintext(column, 'a'), 1, new PendingPlaintext(column, 'b')]
    expect(sealAll(parameters, noStatement, new SealedAhead())).toEqual([
      Buffer.from('a'),
      1,
      Buffer.from('b'),
    ])
    expect(encrypt).not.toHaveBeenCalled()
  })

  it('fail as a whole with the value that cannot be encrypted', async () => {
    const column = columnOf()
    jest.spyOn(column, 'encrypt').mockRejectedValue(new RangeError('KMS'))
    await expect(
      sealAll([new PendingCiphertext(column, 'a')], noStatement, new SealedAhead()),
    ).rejects.toThrow('KMS')
  })

  it('that are refused leave no failure behind that nobody meets', async () => {
    const unhandled = jest.fn()
    process.on('unhandledRejection', unhandled)
    try {
      const [failing, refused] = [columnOf(), columnOf()]
      jest.spyOn(failing, 'encrypt').mockRejectedValue(new RangeError('KMS'))
      jest.spyOn(refused, 'encryptNow').mockImplementation(() => {
        throw new TypeError('refused')
      })
      const parameters = [failing, refused].map((column) => new PendingCiphertext(column, 'a'))
      expect(() => sealAll(parameters, noStatement, new SealedAhead())).toThrow('refused')
      await turn()
      expect(unhandled).not.toHaveBeenCalled()
    } finally {
      process.off('unhandledRejection', unhandled)
    }
  })
})

describe('A value that is bound to its row', () => {
  const SQL = 'UPDATE "usr" SET "secret" = ?, "name" = ? WHERE "id" = ?'

  /** The statement, and a column that notes which rows it is asked for. */
  function begin(): { column: BoundColumn; rows: RowValues[]; sent: () => SentStatement } {
    const rows: RowValues[] = []
    const recipeOf = (row: RowValues): RowRecipe => {
      rows.push(row)
      const scope = new Scope({ table: 'usr' }, { column: 'secret', 'row.id': String(row('id')) })
      return { mode: 'envelope', keyId: 'alias/one', scope, scopes: [scope] }
    }
    const recipes: Recipes = {
      constant: undefined,
      keyed: undefined,
      mode: 'envelope',
      keyId: 'alias/one',
      dependsOn: [],
      opensBy: [],
      contexts: [],
      keyIdFor: () => 'alias/one',
      usesStoredKey: false,
      of: recipeOf,
    }
    const column = columnOf({ type: 'string' }, 'secret', { recipes })
    const parameters = [new PendingCiphertext(column, 'a'), 'new name', 7]
    const [statement] = readerOf('sqlite').read(SQL)
    return { column, rows, sent: () => ({ statement, sql: SQL, parameters }) }
  }

  it('is encrypted for the row that the statement tells', async () => {
    const { column, rows, sent } = begin()
    const [stored] = await sealAll(sent().parameters, sent, new SealedAhead())
    const row: RowValues = (name) => (name === 'id' ? 7 : undefined)
    expect(await column.decrypt(stored, column.recipes.of(row))).toBe('a')
    expect([rows[0]!('name'), rows[0]!('score')]).toEqual(['new name', undefined])
  })

  it('is encrypted for what is known of the row besides, by column and parameter', async () => {
    const { rows, sent } = begin()
    const found = jest.fn((column: string, parameter: number) => `${column} of ${parameter}`)
    await sealAll(sent().parameters, sent, new SealedAhead(), found)
    expect([rows[0]!('id'), rows[0]!('score')]).toEqual([7, 'score of 0'])
    expect(found.mock.calls).toEqual([['score', 0]])
  })

  it('is refused at once where its row is not known', () => {
    const { column, sent } = begin()
    jest.spyOn(column.recipes, 'of').mockImplementation(() => {
      throw new RowUnknownError('not known')
    })
    expect(() => sealAll(sent().parameters, sent, new SealedAhead())).toThrow('not known')
  })
})
