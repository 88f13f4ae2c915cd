import { asPlaintext } from '../../../src/cipher/bytes'
import { Scope } from '../../../src/cipher/scope'
import { Scheme } from '../../../src/column/scheme'
import { KmsUnavailableError } from '../../../src/errors'
import { keyOf, OpenedResult, OpenedResults, type ValueKey } from '../../../src/orm/read/opened-results'
import { type RowRecipe } from '../../../src/orm/recipe'

const scheme = new Scheme({ type: 'string' }, {})

function recipeOf(row: string): RowRecipe {
  const scope = new Scope({ table: 'user' }, { column: 'secret', 'row.id': row })
  return { mode: 'envelope', keyId: 'alias/test', scope, scopes: [scope] }
}

function waiting(results: OpenedResults, ...values: [ValueKey, string | Error, string?][]): void {
  const result = new OpenedResult()
  for (const [key, opened, row = '1'] of values) {
    const value =
      opened instanceof Error ? new KmsUnavailableError(opened.message) : asPlaintext(Buffer.from(opened))
    result.set('user.secret', key, { scheme, recipe: recipeOf(row), opened: value })
  }
  results.add(result)
}

describe('What was opened before hydration', () => {
  it.each([
    ['a Buffer of a driver', Buffer.from('x'), true],
    ['a text of which there are several', Object('x') as object, true],
    ['a text', 'x', false],
  ])('knows %s by itself: %s', (_, value, isItself) => {
    expect(keyOf(value, 'x') === value).toBe(true)
    expect(typeof keyOf(value, 'x') === 'object').toBe(isItself)
  })

  it('gives a Buffer what it was opened to, and an equal one nothing', () => {
    const results = new OpenedResults()
    const [first, second] = [Buffer.from('same'), Buffer.from('same')]
    waiting(results, [first, 'of the first'])
    expect(results.find('user.secret', second, scheme)).toBeUndefined()
    expect(String(results.find('user.secret', first, scheme))).toBe('of the first')
  })

  it('gives nothing to another column or another declaration', () => {
    const results = new OpenedResults()
    waiting(results, ['text', 'opened'])
    expect(results.find('user.other', 'text', scheme)).toBeUndefined()
    expect(results.find('user.secret', 'text', new Scheme({ type: 'string' }, {}))).toBeUndefined()
    expect(String(results.find('user.secret', 'text', scheme))).toBe('opened')
  })

  it('of equal texts in several results gives the one that opened', () => {
    const results = new OpenedResults()
    waiting(results, ['text', new Error('down')])
    expect(results.find('user.secret', 'text', scheme)).toBeInstanceOf(KmsUnavailableError)
    waiting(results, ['text', 'opened'])
    expect(String(results.find('user.secret', 'text', scheme))).toBe('opened')
  })

  it('tells equal texts of different rows, and takes no Buffer for one', () => {
    const results = new OpenedResults()
    waiting(results, ['text', 'opened', '1'])
    const isAmbiguous = (key: ValueKey, row: string) => results.isAmbiguous('user.secret', key, recipeOf(row))
    expect([isAmbiguous('text', '1'), isAmbiguous('text', '2'), isAmbiguous('other', '2')]).toEqual([
      false,
      true,
      false,
    ])
    expect(isAmbiguous(Buffer.from('text'), '2')).toBe(false)
    expect(results.isAmbiguous('user.secret', 'text', undefined)).toBe(true)
  })

  it('forgets a result when its hydration is over', async () => {
    const results = new OpenedResults()
    const value = Buffer.from('x')
    waiting(results, [value, 'opened'], [Buffer.from('y'), 'skipped by a join'])
    expect(results.find('user.secret', value, scheme)).toBeDefined()
    await Promise.resolve()
    expect(results.isEmpty).toBe(true)
  })
})
