import fc from 'fast-check'
import { tokenise } from '../../../../src/orm/statement/lexer'
import { runs } from '../../../support/thorough'
import { databases, languages, placesIn, readerOf } from './support'

const PIECES = `
  SELECT FROM usr u u.secret secret "secret" WHERE = ? $1 ( ) , . * AND OR NOT IS NULL IN 'text' 'a''b' "name" ORDER BY GROUP HAVING
  COUNT( SUM( CASE WHEN THEN ELSE END INSERT INTO VALUES UPDATE SET DELETE JOIN ON LEFT UNION ALL WITH AS DISTINCT -- /* */ /*!
  # $$ $a$ E' U&" [ ] :: @x := || <= 12 1.5e3 x'00' RETURNING LIMIT 1 INTERVAL DAY EXISTS ; \\ \` excluded. t. BETWEEN OVER
`
  .trim()
  .split(/\s+/)

const texts = fc
  .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 4 })), { maxLength: 40 })
  .map((pieces) => pieces.join(' '))

describe.each(databases)('Any text, on %s', (database) => {
  const reader = readerOf(database)

  test('is read, or said to be unreadable', () => {
    fc.assert(
      fc.property(texts, (text) => {
        for (const statement of reader.read(text)) {
          expect(Array.isArray(statement.uses)).toBe(true)
          for (const { start, end } of statement.uses) expect(start).toBeLessThanOrEqual(end)
        }
      }),
      { numRuns: runs(500, 20_000) },
    )
  })

  test('has tokens in order, that do not overlap', () => {
    fc.assert(
      fc.property(texts, (text) => {
        for (const rules of languages[database].readings(text)) {
          const tokens = tokenise(text, rules)
          let end = 0
          for (let index = 0; index < tokens.length; index++) {
            expect(tokens.start(index)).toBeGreaterThanOrEqual(end)
            expect(tokens.end(index)).toBeGreaterThan(tokens.start(index))
            end = tokens.end(index)
          }
          expect(end).toBeLessThanOrEqual(text.length)
        }
      }),
      { numRuns: runs(200, 20_000) },
    )
  })

  const million = 1_000_000
  test.each([
    ['a text', `SELECT 1 FROM usr u WHERE u.name = '${'x'.repeat(20 * million)}' AND u.secret = 1`, true],
    ['doubled quotes', `SELECT 1 FROM usr u WHERE u.name = '${"''".repeat(million)}' AND u.secret = 1`, true],
    ['a comment', `SELECT 1 /* ${'* x'.repeat(million)} */ FROM usr u WHERE u.secret = 1`, true],
    ['placeholders', `SELECT 1 FROM usr u WHERE u.id IN (${'?,'.repeat(200_000)}1) AND u.secret = 1`, true],
    ['terms', `SELECT 1 FROM usr u WHERE u.secret = 1${' AND u.id = 1'.repeat(20_000)}`, true],
    ['open parentheses', `SELECT 1 FROM usr u WHERE u.secret = ${'('.repeat(million)}`, false],
    ['closed parentheses', `SELECT 1 FROM usr u WHERE u.secret = 1${')'.repeat(million)}`, false],
    ['nested subqueries', `SELECT 1 FROM usr u WHERE u.secret = ${'(SELECT '.repeat(100_000)}`, false],
    ['signs', `SELECT 1 FROM usr u WHERE u.secret = ${'- '.repeat(million)} 1`, true],
    ['words', `SELECT 1 FROM usr u WHERE u.secret ${'b '.repeat(200_000)} = 1`, true],
    ['an open text', `SELECT 1 FROM usr u WHERE u.secret = '${'x'.repeat(20 * million)}`, false],
  ])('is read in one pass, without recursion that it could exhaust: %s', (_, text, isReadable) => {
    const [statement] = reader.read(text)
    expect(statement.unreadable === undefined).toBe(isReadable)
    if (isReadable) expect(placesIn(statement)).toEqual(['u.secret searched'])
  })
})
