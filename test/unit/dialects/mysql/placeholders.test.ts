import { format } from 'mysql2'
import { mysql } from '../../../../src/dialects/mysql'
import { type Format, mysqlLanguage } from '../../../../src/dialects/mysql/lexical-rules'
import {
  placeholdersEverywhere,
  placeholdersOutsideOfTexts,
} from '../../../../src/dialects/mysql/placeholders'

/** Where mysql2 puts values; what stands for `??` is a name. */
function asDriver(text: string): string {
  return format(
    text,
    Array.from({ length: 9 }, (_, index) => `<${index}>`),
  )
}

function asRead(text: string, found: readonly number[]): string {
  return found.reduceRight((sql, at, index) => {
    const [width, quote] = sql.startsWith('??', at) ? [2, '`'] : [1, "'"]
    return `${sql.slice(0, at)}${quote}<${index}>${quote}${sql.slice(at + width)}`
  }, text)
}

const TEXTS = [
  'SELECT ?',
  '?',
  '??',
  'a ?? b ? c',
  '??? ?',
  '???? ?',
  "'?' ?",
  "'ab?' ?",
  '"?" ?',
  '`?` ?',
  "'a''?' ?",
  "'a\\'?' ?",
  '"a\\"?" ?',
  '`a\\` ?',
  "'\\\\' ?",
  "'? open",
  '`? open',
  '? -- ?\n?',
  '? --?\n?',
  '? --',
  '? -- ?',
  '? --\t?\n?',
  '? - - ?',
  '? -?',
  '? # ?\n?',
  '? # ?',
  '? #',
  '? /* ? */ ?',
  '? /*? */ ?',
  '? /**/ ?',
  '1 /* x */* ?',
  '? /*/ ? */ ?',
  '? /* ?',
  '? / * ? */ ?',
  '? */ ?',
  '? /*! ? */ ?',
  '? /*+ ? */ ?',
  '? /*',
  'a/? b',
]

describe('Placeholders of MySQL', () => {
  it.each(TEXTS)('are where mysql2 puts values: %j', (text) => {
    expect(asRead(text, placeholdersOutsideOfTexts(text))).toBe(asDriver(text))
  })

  it.each([
    ["'?' ?", [1, 4]],
    ['?? ? ??? ?', [0, 3, 9]],
    ['-- ?', [3]],
    ['none', []],
    ['?', [0]],
  ])('are everywhere with an earlier driver: %j', (text, found) => {
    expect(placeholdersEverywhere(text)).toEqual(found)
  })

  it.each([
    ['no driver', undefined, [4]],
    ['mysql2', format as Format, [4]],
    ['an earlier one', (sql: string) => sql.replaceAll('?', '1'), [1, 4]],
  ] as const)('are found as the driver finds them: %s', (_, driver, found) => {
    expect(mysqlLanguage(driver).placeholders?.("'?' ?")).toEqual(found)
  })

  it.each([
    [{}, [4]],
    [{ mysql: {} }, [4]],
    [{ mysql: { format } }, [4]],
    [{ mysql: { format: (sql: string) => sql.replaceAll('?', '1') } }, [1, 4]],
  ])('%# are asked of the package that TypeORM loaded', (driver, found) => {
    expect(mysql.language(driver).placeholders?.("'?' ?")).toEqual(found)
  })
})

describe('Readings of a statement of MySQL', () => {
  const { readings } = mysqlLanguage()

  it.each([
    ['SELECT 1', 1],
    ['SELECT "a"', 2],
    ["SELECT 'a\\b'", 2],
    ['SELECT /*! 1 */ 1', 2],
    ['SELECT /*M! 1 */ 1', 2],
    ['SELECT "a\\b"', 4],
    ['SELECT "a\\b" /*! 1 */', 8],
  ])('are as many as what the server may be set to says of it: %s', (text, count) => {
    expect(readings(text)).toHaveLength(count)
  })

  it('begin with what a server does unless it is told otherwise', () => {
    const [likeliest, other] = readings('SELECT "a\\b" /*! 1 */')
    expect(likeliest?.quotes['"']).toMatchObject({ kind: 'text', hasBackslashes: true })
    expect(likeliest?.executedComment).toBeDefined()
    expect(likeliest?.skippedComment).toBeUndefined()
    expect(other?.executedComment).toBeUndefined()
    expect(other?.skippedComment).toBeDefined()
  })

  it('agree about names in backticks, texts and prefixes', () => {
    for (const rules of readings('"\\/*!')) {
      expect(rules.quotes['`']).toMatchObject({ kind: 'name', hasBackslashes: false, isDoubled: true })
      expect(rules.quotes["'"]).toMatchObject({ kind: 'text', isDoubled: true })
      const hasNames = rules.quotes['"']?.kind === 'name'
      expect(rules.quotes['"']?.isDoubled).toBe(true)
      expect(Object.keys(rules.prefixes['_'] ?? {})).toEqual(hasNames ? ["'"] : ["'", '"'])
      for (const prefix of ['n', 'x', 'b'])
        expect(rules.prefixes[prefix]).toMatchObject({ "'": { kind: 'text' } })
    }
  })
})
