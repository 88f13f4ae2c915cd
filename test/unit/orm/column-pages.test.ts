import { type BoundColumn } from '../../../src/orm/bound-column'
import { ColumnPage, ColumnPages, type Opened } from '../../../src/orm/column-pages'
import { type Stored } from '../../../src/orm/value-opener'
import { KmsUnavailableError } from '../../../src/errors'

/** A column that "decrypts" by putting the text into brackets, and notes what it was asked for. */
function columnOf(scheme: object = {}): { column: BoundColumn; asked: Stored[] } {
  const asked: Stored[] = []
  const hydrate = (stored: Stored, known?: Opened): unknown => {
    asked.push(stored)
    return known ? `known ${known instanceof Error ? known.name : String(known)}` : `[${String(stored)}]`
  }
  return { column: { scheme, hydrate } as unknown as BoundColumn, asked }
}

function pageOf(column: BoundColumn, values: readonly Stored[]): ColumnPage {
  const page = new ColumnPage(column)
  for (const value of values) page.add(value, value)
  return page
}

const texts = (count: number, name = 'v'): string[] =>
  Array.from({ length: count }, (_, index) => `${name}${index}`)
const buffers = (count: number): Buffer[] => texts(count).map((text) => Buffer.from(text))

describe('A page that is read row by row', () => {
  it('opens more and more ahead, and each value once', () => {
    const { column, asked } = columnOf()
    const values = texts(1_000)
    const page = pageOf(column, values)
    const opened: number[] = []
    for (const value of values) {
      expect(page.take(value, column)).toBe(`[${value}]`)
      opened.push(asked.length)
    }
    expect(asked).toEqual(values)
    expect([...new Set(opened)]).toEqual([
      1, 3, 7, 15, 31, 63, 127, 191, 255, 319, 383, 447, 511, 575, 639, 703, 767, 831, 895, 959, 1_000,
    ])
  })

  it('hands a value out once, and opens it anew for who asks again', () => {
    const { column, asked } = columnOf()
    const [first, second] = texts(2) as [string, string]
    const page = pageOf(column, [first, second])
    expect([first, first, second].map((value) => page.take(value, column))).toEqual(['[v0]', '[v0]', '[v1]'])
    expect(asked).toEqual([first, first, second])
  })
})

describe('A page of which hydration skips rows', () => {
  it('opens only what is asked for', () => {
    const { column, asked } = columnOf()
    const values = buffers(1_000)
    const page = pageOf(column, values)
    const wanted = values.filter((_, index) => index % 100 === 0)
    for (const value of wanted) expect(page.take(value, column)).toBe(`[${String(value)}]`)
    expect(asked).toEqual(wanted)
  })

  it('finds a value in any order, and none of another page', () => {
    const { column } = columnOf()
    const values = buffers(10)
    const page = pageOf(column, values)
    for (const value of [...values].reverse()) expect(page.take(value, column)).toBe(`[${String(value)}]`)
    expect(page.take(Buffer.from('v1'), column)).toBeUndefined()
  })
})

describe('What KMS was asked for', () => {
  it('is handed to the column, a failure only under the same declaration', () => {
    const { column } = columnOf()
    const page = pageOf(column, ['a', 'b', 'c'])
    page.know(0, Buffer.from('plain'))
    page.know(1, new KmsUnavailableError('down'))
    expect(['a', 'b', 'c'].map((value) => page.take(value, column))).toEqual([
      'known plain',
      'known KmsUnavailableError',
      '[c]',
    ])
    const { column: other } = columnOf({})
    expect(['a', 'b'].map((value) => page.take(value, other))).toEqual(['known plain', '[b]'])
  })
})

describe('Pages that wait for their hydration', () => {
  afterEach(() => {
    jest.useRealTimers()
  })

  it('are told apart, and taken turns with', () => {
    const { column } = columnOf()
    const pages = new ColumnPages()
    const values = Array.from({ length: 20 }, (_, index) => texts(5, `p${index}-`))
    for (const page of values) pages.add(pageOf(column, page))
    const [a, b] = [values[7]!, values[3]!]
    for (const place of [0, 1, 2, 3, 4]) {
      for (const page of [a, b]) {
        const value = page[place]!
        expect(pages.takeNext(value, column) ?? pages.take(value, column)).toBe(`[${value}]`)
      }
    }
    expect(pages.take('other', column)).toBeUndefined()
  })

  it('are forgotten when their hydration ends', async () => {
    const { column } = columnOf()
    const pages = new ColumnPages()
    pages.add(pageOf(column, ['a', 'b']))
    pages.add(pageOf(column, ['c']))
    expect(pages.take('a', column)).toBe('[a]')
    await Promise.resolve()
    expect([pages.takeNext('b', column), pages.take('b', column)]).toEqual([undefined, undefined])
    expect(pages.take('c', column)).toBe('[c]')
  })

  it('are forgotten after a second if they are not hydrated', () => {
    jest.useFakeTimers()
    const { column } = columnOf()
    const pages = new ColumnPages()
    pages.add(pageOf(column, ['a']))
    jest.advanceTimersByTime(900)
    pages.add(pageOf(column, ['b']))
    jest.advanceTimersByTime(150)
    expect(pages.take('a', column)).toBeUndefined()
    jest.advanceTimersByTime(2_000)
    expect(pages.take('b', column)).toBeUndefined()
    expect(jest.getTimerCount()).toBe(0)
  })
})
