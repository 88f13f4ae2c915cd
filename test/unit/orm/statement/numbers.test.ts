import fc from 'fast-check'
import { differsInNumbers, Remembered } from '../../../../src/orm/statement/remembered'
import { runs } from '../../../support/thorough'
import { databases, readerOf } from './support'

const sqlite = readerOf('sqlite')
/** The text with `#` for each digit of its free numbers. */
const marked = (text: string): string => {
  const pieces = sqlite.freeNumbersIn(text)
  return Array.from(text, (char, at) => (pieces.some(([a, b]) => at >= a && at < b) ? '#' : char)).join('')
}

describe('Free numbers', () => {
  test.each([
    ['UPDATE "usr" SET "secret" = ? WHERE "id" = 123', 'UPDATE "usr" SET "secret" = ? WHERE "id" = ###'],
    ['SELECT secret FROM usr WHERE id IN (1, 22, 333)', 'SELECT secret FROM usr WHERE id IN (#, ##, ###)'],
    ['SELECT secret FROM usr WHERE (id = 1 OR id = 2)', 'SELECT secret FROM usr WHERE (id = # OR id = #)'],
    ['SELECT secret FROM usr LIMIT 10 OFFSET 20', 'SELECT secret FROM usr LIMIT ## OFFSET ##'],
    [
      'INSERT INTO usr (id, score, secret) VALUES (1, 5, ?), (2, abs(3), ?)',
      'INSERT INTO usr (id, score, secret) VALUES (#, #, ?), (#, abs(3), ?)',
    ],
    [
      'UPDATE usr SET score = 7, secret = ? WHERE id >= 1',
      'UPDATE usr SET score = #, secret = ? WHERE id >= #',
    ],
    // Places of the select list, and what is part of something else.
    ...[
      'SELECT id, secret FROM usr ORDER BY 2, 1',
      'SELECT secret FROM usr GROUP BY 1',
      'SELECT 1, (2), (3) FROM usr ORDER BY (1), (2)',
      'SELECT secret "= 1" FROM usr "t1" WHERE name = \'= 1\' -- = 1',
      'SELECT secret FROM usr WHERE id = 1.5 OR id = 1e5 OR id = 0x10 OR id = 1.',
      'SELECT secret FROM usr WHERE id = ?1 OR id = $1 OR id = :a1',
      'SELECT secret FROM usr WHERE id = 1+2',
      'SELECT secret FROM usr WHERE id IN (1 + 2, (3))',
    ].map((text) => [text, text]),
  ])('%s', (text, expected) => {
    expect(marked(text)).toBe(expected)
  })

  test('are none where a text may be read in several ways', () => {
    const reader = readerOf('mysql')
    expect(reader.freeNumbersIn('SELECT secret FROM usr WHERE id = 1')).toEqual([[34, 35]])
    expect(reader.freeNumbersIn('SELECT secret FROM usr WHERE "id" = 1')).toEqual([])
  })

  const PIECES = `
    SELECT FROM usr u u.secret secret "secret" WHERE = = = ( ) , AND OR NOT IN IN ( IN ( VALUES ( VALUES ( 'a1' "t1" ORDER BY GROUP
    INSERT INTO UPDATE SET score DELETE JOIN ON UNION WITH AS -- /* */ $$ x'00' LIMIT OFFSET CASE WHEN THEN END . : ? $1 x b _ e5 # /*! /*!50000 \\ \`
  `
    .trim()
    .split(/\s+/)
  const pieces = fc.oneof(
    fc.constantFrom(...PIECES, '\n'),
    fc.nat(1_200).map(String),
    fc.nat(9).map((digit) => `= ${digit}`),
  )
  const texts = fc
    .array(fc.tuple(pieces, fc.constantFrom(' ', ' ', '')), { maxLength: 30 })
    .map((parts) => parts.flat().join(''))

  test.each(databases)('are read alike, on %s', (database) => {
    const reader = readerOf(database)
    fc.assert(
      fc.property(texts, fc.array(fc.nat(9), { minLength: 20, maxLength: 20 }), (text, digits) => {
        const free = reader.freeNumbersIn(text)
        let other = text
        let count = 0
        for (const [start, end] of free) {
          const number = Array.from({ length: end - start }, () => digits[count++ % digits.length]).join('')
          other = other.slice(0, start) + number + other.slice(end)
        }
        expect(reader.read(other)).toEqual(reader.read(text))
        expect(reader.freeNumbersIn(other)).toEqual(free)
      }),
      { numRuns: runs(600, 20_000), examples: [['SELECT secret FROM usr WHERE id = 0x1', []]] },
    )
  })
})

describe('A text', () => {
  const text = 'a1 = 12 AND b = 3'
  const numbers = [
    [5, 7],
    [16, 17],
  ] as const

  test.each([
    [text, true],
    ['a1 = 99 AND b = 0', true],
    ['a1 = 1x AND b = 3', false],
    ['a1 = 12 AND b = ?', false],
    ['a2 = 12 AND b = 3', false],
    ['a1 = 12 AND c = 3', false],
    ['a1 = 12 AND b = 33', false],
    ['a1 = 12 AND b = ', false],
  ])('%s differs from another in nothing but numbers: %s', (other, expected) => {
    expect(differsInNumbers(other, { text, numbers })).toBe(expected)
  })
})

describe('What is remembered by its text', () => {
  const numbers = (text: string) => sqlite.freeNumbersIn(text)

  test('is found by another text with other numbers of as many digits, and by no other', () => {
    const remembered = new Remembered<string>(10, 10_000)
    const one = 'SELECT secret FROM usr "u1" WHERE id = 1'
    remembered.set(one, 'one', () => numbers(one))
    expect(remembered.get(one)).toBe('one')
    expect(remembered.get('SELECT secret FROM usr "u1" WHERE id = 7')).toBe('one')
    for (const other of [
      'SELECT secret FROM usr "u1" WHERE id = 17',
      'SELECT secret FROM usr "u2" WHERE id = 1',
      'SELECT secret FROM usr "u1" WHERE id = ?',
    ]) {
      expect(remembered.get(other)).toBeUndefined()
      remembered.set(other, other, () => numbers(other))
    }
    expect(remembered.get('SELECT secret FROM usr "u2" WHERE id = 3')).toBe(
      'SELECT secret FROM usr "u2" WHERE id = 1',
    )
    expect(remembered.get(one)).toBe('one')
  })

  test('is found again without a look at others, if it is that which was asked for last', () => {
    const remembered = new Remembered<string>(10, 10_000)
    expect(remembered.again('SELECT 1')).toBeUndefined()
    const one = 'SELECT secret FROM usr WHERE id = 1'
    const plain = 'SELECT secret FROM usr'
    remembered.set(one, 'one', () => numbers(one))
    remembered.set(plain, 'plain', () => numbers(plain))
    expect(remembered.again(plain)).toBe('plain')
    expect(remembered.again(one)).toBeUndefined()
    expect(remembered.get(one)).toBe('one')
    expect(remembered.again(one)).toBe('one')
    expect(remembered.again('SELECT secret FROM usr WHERE id = 2')).toBe('one')
    for (const other of [
      plain,
      'SELECT secret FROM usr WHERE id = 22',
      'SELECT secret FROM uss WHERE id = 1',
    ])
      expect(remembered.again(other)).toBeUndefined()
    expect(remembered.get(plain)).toBe('plain')
    expect(remembered.again('SELECT secret FROM uss')).toBeUndefined()
  })

  test('is bounded, in texts and in characters', () => {
    const remembered = new Remembered<number>(10, 1_000)
    const found = (texts: string[]): number =>
      texts.filter((text) => remembered.get(text) !== undefined).length
    const short = Array.from({ length: 100 }, (_, n) => `text ${n}`)
    for (const [n, text] of short.entries()) remembered.set(text, n)
    expect(found(short)).toBeLessThanOrEqual(10)
    const long = Array.from({ length: 100 }, (_, n) => `${n} = 1`.padStart(99))
    for (const [n, text] of long.entries()) remembered.set(text, n, () => [[98, 99]])
    expect(found(long)).toBeLessThanOrEqual(11)
    remembered.set('x'.repeat(101), 1, () => {
      throw new Error('nobody need look for numbers')
    })
    expect(remembered.get('x'.repeat(101))).toBeUndefined()
  })
})
