import { type BoundColumn } from '../../../src/orm/bound-column'
import { ColumnPage, ColumnPages } from '../../../src/orm/column-pages'
import { type Stored } from '../../../src/orm/value-opener'
import { KmsUnavailableError } from '../../../src/errors'

const columnOf = (scheme: object): BoundColumn => ({ scheme }) as unknown as BoundColumn
const column = columnOf({})

/** A page of which each value was opened to its text in brackets. */
function pageOf(values: readonly Stored[]): ColumnPage {
  const page = new ColumnPage(column)
  for (const value of values) page.open(page.add(value), Buffer.from(`[${String(value)}]`))
  return page
}

const texts = (count: number, name = 'v'): string[] =>
  Array.from({ length: count }, (_, index) => `${name}${index}`)
const buffers = (count: number): Buffer[] => texts(count).map((text) => Buffer.from(text))

const opened = (found: unknown): unknown => (Buffer.isBuffer(found) ? found.toString() : found)

describe('A page', () => {
  it.each([
    ['in their order', (values: readonly Stored[]) => values],
    ['with rows left out, as of a join', (values: readonly Stored[]) => values.filter((_, i) => i % 7 === 3)],
    ['in any order', (values: readonly Stored[]) => [...values].reverse()],
    ['more than once', (values: readonly Stored[]) => values.flatMap((value) => [value, value])],
  ])('gives what became of its values %s', (_, order) => {
    for (const values of [texts(100), buffers(100)]) {
      const page = pageOf(values)
      for (const value of order(values)) {
        expect(page.has(value)).toBe(true)
        expect(opened(page.get(value, column))).toBe(`[${String(value)}]`)
      }
    }
  })

  it('knows a Buffer by itself, not by its bytes', () => {
    expect(pageOf(buffers(3)).get(Buffer.from('v1'), column)).toBeUndefined()
  })

  it('gives a failure only under the declaration that failed', () => {
    const page = pageOf(['a', 'b'])
    const failure = new KmsUnavailableError('down')
    page.open(1, failure)
    const other = columnOf({})
    expect(['a', 'b'].map((value) => opened(page.get(value, column)))).toEqual(['[a]', failure])
    expect(['a', 'b'].map((value) => opened(page.get(value, other)))).toEqual(['[a]', undefined])
  })
})

describe('Pages that wait for their hydration', () => {
  afterEach(() => {
    jest.useRealTimers()
  })

  it('are told apart, and taken turns with', () => {
    const pages = new ColumnPages()
    const values = Array.from({ length: 20 }, (_, index) => texts(5, `p${index}-`))
    for (const page of values) pages.add(pageOf(page))
    const [a, b] = [values[7]!, values[3]!]
    for (const place of [0, 1, 2, 3, 4]) {
      for (const page of [a, b]) {
        const value = page[place]!
        expect(opened(pages.get(value, column))).toBe(`[${value}]`)
      }
    }
    expect(pages.get('other', column)).toBeUndefined()
  })

  it('are forgotten when their hydration ends', async () => {
    const pages = new ColumnPages()
    pages.add(pageOf(['a', 'b']))
    pages.add(pageOf(['c']))
    expect(opened(pages.get('a', column))).toBe('[a]')
    await Promise.resolve()
    expect(pages.get('b', column)).toBeUndefined()
    expect(pages.isEmpty).toBe(false)
    expect(opened(pages.get('c', column))).toBe('[c]')
    await Promise.resolve()
    expect(pages.isEmpty).toBe(true)
  })

  it('are forgotten after a second if they are not hydrated', () => {
    jest.useFakeTimers()
    const pages = new ColumnPages()
    pages.add(pageOf(['a']))
    jest.advanceTimersByTime(900)
    pages.add(pageOf(['b']))
    jest.advanceTimersByTime(150)
    expect(pages.get('a', column)).toBeUndefined()
    expect(pages.isEmpty).toBe(false)
    jest.advanceTimersByTime(2_000)
    expect(pages.isEmpty).toBe(true)
    expect(jest.getTimerCount()).toBe(0)
  })
})
