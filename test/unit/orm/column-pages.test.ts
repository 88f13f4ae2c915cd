import { type BoundColumn } from '../../../src/orm/bound-column'
import { ColumnPage, ColumnPages } from '../../../src/orm/column-pages'
import { type Stored } from '../../../src/orm/value-opener'
import { KmsUnavailableError } from '../../../src/errors'

/** A column whose values are opened to their text in brackets, unless they begin with "kms". */
function columnOf(isImmutable = true): BoundColumn & { openedNow: unknown[] } {
  const openedNow: unknown[] = []
  const opener = {
    bytesOf: (stored: Stored) => Buffer.from(stored),
    dataKeyAtHand: () => undefined,
    needKms: (values: readonly Buffer[]) => values.some((bytes) => bytes.toString().startsWith('kms')),
    openNow: (stored: Stored) => {
      openedNow.push(stored)
      return stored.toString().startsWith('kms') ? undefined : Buffer.from(`[${stored.toString()}]`)
    },
    open: (stored: Stored) =>
      stored.toString().includes('down')
        ? Promise.reject(new KmsUnavailableError('down'))
        : Promise.resolve(Buffer.from(`[${stored.toString()}]`)),
  }
  const type = { isImmutable, deserialise: (bytes: Buffer) => bytes.toString() }
  return { scheme: { type }, opener, openedNow } as unknown as ReturnType<typeof columnOf>
}

const column = columnOf()

function pageOf(values: readonly Stored[], of = column): ColumnPage {
  return new ColumnPage(
    of,
    'secret',
    values.map((secret) => ({ secret })),
  )
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

  it('skips rows without a value', () => {
    const page = new ColumnPage(column, 'secret', [
      { secret: null },
      { secret: 'a' },
      {},
      { secret: 5 },
      { secret: 'b' },
    ])
    expect(page.length).toBe(2)
    expect(['a', 'b'].map((value) => page.get(value, column))).toEqual(['[a]', '[b]'])
  })

  it('opens more and more values ahead while all are taken in order, and each once', () => {
    const values = texts(200)
    const own = columnOf()
    const page = pageOf(values, own)
    const ahead = values.slice(0, 130).map((value, index) => {
      page.get(value, own)
      return own.openedNow.length - index - 1
    })
    expect(ahead.slice(0, 8)).toEqual([0, 2, 1, 0, 6, 5, 4, 3])
    expect(Math.max(...ahead)).toBe(63)
    expect(own.openedNow).toEqual(values.slice(0, own.openedNow.length))
  })

  it('opens nothing ahead for a join, which asks for some of the rows only', () => {
    const values = texts(100)
    const own = columnOf()
    const page = pageOf(values, own)
    const asked = values.filter((_, index) => index % 10 === 5)
    for (const value of asked) page.get(value, own)
    expect(own.openedNow).toEqual(asked)
  })

  it('gives each who asks a value of their own, if it could be changed', () => {
    const own = columnOf(false)
    const page = pageOf(['a'], own)
    const [first, second] = [page.get('a', own), page.get('a', own)]
    expect(Buffer.isBuffer(first) && Buffer.isBuffer(second)).toBe(true)
    expect([opened(first), opened(second)]).toEqual(['[a]', '[a]'])
  })

  it('has no value that KMS must be asked for, until it was', async () => {
    const page = pageOf(['a', 'kms b', 'kms down'])
    expect([page.needsKms, pageOf(['a']).needsKms]).toEqual([true, false])
    expect([page.openNow(0), page.openNow(1)]).toEqual([true, false])
    expect(page.get('kms b', column)).toBeUndefined()
    expect(await page.open(1)).toBeUndefined()
    expect(page.get('kms b', column)).toBe('[kms b]')
    const failure = await page.open(2)
    expect(failure).toBeInstanceOf(KmsUnavailableError)
    expect(page.get('kms down', column)).toBe(failure)
  })

  it('gives nothing under another declaration, which may take what this one refuses and refuse what it takes', () => {
    const page = pageOf(['a', 'b'])
    const failure = page.fail(1, new KmsUnavailableError('down'))
    expect(['a', 'b'].map((value) => page.get(value, column))).toEqual(['[a]', failure])
    expect(['a', 'b'].map((value) => page.get(value, columnOf()))).toEqual([undefined, undefined])
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

  it('are forgotten at the end of the turn, if they are of use in no other', async () => {
    const pages = new ColumnPages()
    pages.addForThisTurn(pageOf(['a']))
    await Promise.resolve()
    expect(pages.isEmpty).toBe(false)
    await new Promise((resolve) => setImmediate(resolve))
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
