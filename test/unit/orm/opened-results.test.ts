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

  it('knows what the query result cache makes of a Buffer by its bytes', () => {
    expect(keyOf({ type: 'Buffer', data: [1] }, Buffer.of(1))).toBe('AQ==')
    expect(keyOf(5, 'text')).toBe('text')
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

  it('of several failures gives that of the result which came first', () => {
    const results = new OpenedResults()
    waiting(results, ['text', new Error('first')])
    waiting(results, ['text', new Error('second')])
    expect(results.find('user.secret', 'text', scheme)).toMatchObject({ message: 'first' })
  })

  it('looks for the declaration that asks in each result', () => {
    const results = new OpenedResults()
    const other = new Scheme({ type: 'string' }, {})
    const opened = new OpenedResult()
    opened.set('user.secret', 'text', {
      scheme: other,
      recipe: undefined,
      opened: asPlaintext(Buffer.from('other')),
    })
    results.add(opened)
    waiting(results, ['text', 'own'])
    expect(String(results.find('user.secret', 'text', scheme))).toBe('own')
    expect(String(results.find('user.secret', 'text', other))).toBe('other')
  })

  it('keeps texts for the next hydration, which may have an equal one', async () => {
    const results = new OpenedResults()
    waiting(results, ['text', 'opened'], ['other', 'opened, too'])
    expect(String(results.find('user.secret', 'text', scheme))).toBe('opened')
    expect(String(results.find('user.secret', 'other', scheme))).toBe('opened, too')
    await Promise.resolve()
    expect(results.isEmpty).toBe(false)
  })

  it('forgets each of several results when its hydration is over, and no other', async () => {
    const results = new OpenedResults()
    const [one, other, third] = [Buffer.from('1'), Buffer.from('2'), Buffer.from('3')]
    for (const value of [one, other, third]) waiting(results, [value, 'opened'])
    expect(results.find('user.secret', one, scheme)).toBeDefined()
    expect(results.find('user.secret', other, scheme)).toBeDefined()
    expect(results.find('user.secret', other, scheme)).toBeDefined()
    await Promise.resolve()
    expect([one, other].map((value) => results.find('user.secret', value, scheme))).toEqual([
      undefined,
      undefined,
    ])
    expect(results.find('user.secret', third, scheme)).toBeDefined()
    await Promise.resolve()
    expect(results.isEmpty).toBe(true)
  })

  describe('that nobody hydrates', () => {
    beforeEach(() => {
      jest.useFakeTimers()
    })
    afterEach(() => {
      jest.useRealTimers()
    })
    const later = (seconds: number) => jest.advanceTimersByTimeAsync(seconds * 1_000)

    it('is forgotten after ten seconds, and twenty at most', async () => {
      const results = new OpenedResults()
      waiting(results, ['text', 'opened'])
      await later(10)
      expect(results.isEmpty).toBe(false)
      await later(10)
      expect(results.isEmpty).toBe(true)
    })

    it('waits as long as others that came before it', async () => {
      const results = new OpenedResults()
      waiting(results, ['one', 'opened'])
      await later(15)
      waiting(results, ['other', 'opened'])
      const isThere = (text: string): boolean => results.find('user.secret', text, scheme) !== undefined
      expect([isThere('one'), isThere('other')]).toEqual([true, true])
      await later(5)
      expect([isThere('one'), isThere('other')]).toEqual([false, true])
      await later(9.9)
      expect(isThere('other')).toBe(true)
      await later(0.2)
      expect(results.isEmpty).toBe(true)
    })

    it('has a timer of its own only while one waits', async () => {
      const results = new OpenedResults()
      waiting(results, ['one', 'opened'])
      waiting(results, ['other', 'opened'])
      expect(jest.getTimerCount()).toBe(1)
      await later(10)
      expect(jest.getTimerCount()).toBe(1)
      await later(10)
      expect(jest.getTimerCount()).toBe(0)
      waiting(results, ['third', 'opened'])
      expect(jest.getTimerCount()).toBe(1)
      await later(20)
      expect(results.isEmpty).toBe(true)
      expect(jest.getTimerCount()).toBe(0)
    })
  })
})
