import { type LexicalRules } from '../../../../src/dialects/lexical-rules'
import { tokenise } from '../../../../src/orm/statement/lexer'
import { Kind } from '../../../../src/orm/statement/tokens'
import { databases, type Database, languages } from './support'

const LETTERS = {
  [Kind.End]: 'end',
  [Kind.Word]: 'word',
  [Kind.Name]: 'name',
  [Kind.Text]: 'text',
  [Kind.Number]: 'number',
  [Kind.Placeholder]: 'placeholder',
  [Kind.Symbol]: 'symbol',
}

/** `word a`, `symbol =`, `placeholder 0`, `name a`: a name as it is spelled, everything else as it is written. */
function lex(text: string, rules: LexicalRules | undefined): string[] {
  if (!rules) throw new Error('there is no such reading')
  const tokens = tokenise(text, rules)
  const all = Array.from({ length: tokens.length }, (_, index) => {
    const kind = tokens.kind(index)
    const written = tokens.written(index)
    if (kind === Kind.Placeholder) return `placeholder ${tokens.number(index)}`
    if (kind === Kind.Name) return `name ${tokens.spelled.get(index) ?? written.slice(1, -1)}`
    return `${LETTERS[kind]} ${written}`
  })
  return tokens.error === undefined ? all : [...all, `error: ${tokens.error}`]
}

const [plain, withBackslashes] = languages.postgres.readings('\\')
/** MySQL's readings of a text that can be read in each way, by what they are. */
const mysql = languages.mysql.readings('"\\/*!')
const find = (is: (rules: LexicalRules) => boolean): LexicalRules | undefined => mysql.find(is)
const usual = mysql[0]
const ansi = find(({ quotes }) => quotes['"']?.kind === 'name')
const noBackslashes = find(({ quotes }) => quotes["'"]?.hasBackslashes === false)
const notExecuted = find(({ executedComment }) => !executedComment)
const sqlite = languages.sqlite.readings('')[0]

type Case = [text: string, tokens: string[]]

describe.each(databases)('Everywhere, and so on %s', (database: Database) => {
  const rules = languages[database].readings('')[0]

  test.each<Case>([
    ['', []],
    [' \t\n\r\f\v', []],
    ['a.b', ['word a', 'symbol .', 'word b']],
    ['größe', ['word größe']],
    ["'it''s'", ["text 'it''s'"]],
    ["''", ["text ''"]],
    ["'-- /* ? $1'", ["text '-- /* ? $1'"]],
    ['a -- b\nc', ['word a', 'word c']],
    ['a -- b', ['word a']],
    ['a /* b */ c', ['word a', 'word c']],
    ['a/**/b', ['word a', 'word b']],
    ["/* ' */ a", ['word a']],
    ['a <= b', ['word a', 'symbol <=', 'word b']],
    ['a<>-1', ['word a', 'symbol <>', 'symbol -', 'number 1']],
    ['1.5e-3, .5, 12', ['number 1.5e-3', 'symbol ,', 'number .5', 'symbol ,', 'number 12']],
    ["x'00'", ["text x'00'"]],
    ["x '00'", ['word x', "text '00'"]],
    ['a\u0000b', ['word a', 'error: a NUL character does not end']],
    ["'open", ['error: a text does not end']],
    ["'open''", ['error: a text does not end']],
    ["/*/ 'a'", database === 'sqlite' ? [] : ['error: a comment does not end']],
  ])('%j', (text, expected) => {
    const [one, two] = [lex(text, rules), expected]
    // PostgreSQL takes a run of operators for one.
    expect(one).toEqual(
      database === 'postgres' && text === 'a<>-1' ? ['word a', 'symbol <>', 'symbol -', 'number 1'] : two,
    )
  })
})

describe('MySQL and MariaDB', () => {
  test.each<Case>([
    ['a --b', ['word a', 'symbol -', 'symbol -', 'word b']],
    ['a --\tb\nc', ['word a', 'word c']],
    ['a --', ['word a']],
    ['a --\u0001b\nc', ['word a', 'word c']],
    ['a # b\nc', ['word a', 'word c']],
    ['a -- b\rc\nd', ['word a', 'word d']],
    ['a /* b /* c */ d', ['word a', 'word d']],
    ['/* open', ['error: a comment does not end']],
    ['"it""s" `na``me`', ['text "it""s"', 'name na`me']],
    ['`open', ['error: a quoted name does not end']],
    [String.raw`'it\'s' a`, [String.raw`text 'it\'s'`, 'word a']],
    [String.raw`'a''b\'c' d`, [String.raw`text 'a''b\'c'`, 'word d']],
    [String.raw`'\\' a`, [String.raw`text '\\'`, 'word a']],
    [String.raw`'\'`, ['error: a text does not end']],
    [String.raw`"\"" a`, [String.raw`text "\""`, 'word a']],
    ['`a\\` b', ['name a\\', 'word b']],
    ["N'a' _utf8mb4'b' b'01'", ["text N'a'", "text _utf8mb4'b'", "text b'01'"]],
    ['? ?, ?', ['placeholder 0', 'placeholder 1', 'symbol ,', 'placeholder 2']],
    ['$1 $a', ['word $1', 'word $a']],
    ['@a @@b.c @`d e` :=', ['text @a', 'text @@b.c', 'text @`d e`', 'symbol :=']],
    [
      '2a a.1b 1e5 0x1F 0b01 1e',
      ['word 2a', 'word a', 'symbol .', 'word 1b', 'number 1e5', 'number 0x1F', 'number 0b01', 'number 1'],
    ],
    [
      'a.1 .1 `a`.2b 1a.2b',
      [
        'word a',
        'symbol .',
        'word 1',
        'number .1',
        'name a',
        'symbol .',
        'word 2b',
        'word 1a',
        'symbol .',
        'word 2b',
      ],
    ],
    ['a<=>b->>c||d', ['word a', 'symbol <=>', 'word b', 'symbol ->>', 'word c', 'symbol ||', 'word d']],
  ])('%j', (text, expected) => {
    // `1e` alone is a number as far as a digit goes.
    const found = lex(text, usual)
    expect(text.endsWith('1e') ? found.slice(0, expected.length) : found).toEqual(expected)
  })

  test.each<Case>([
    ['a /*! b */ c', ['word a', 'word b', 'word c']],
    ['a /*!50000 b */ c', ['word a', 'word b', 'word c']],
    ['a /*M!100100b*/ c', ['word a', 'word b', 'word c']],
    ['/*!1234 a*/', ['number 1234', 'word a']],
    ['/*!1234567 a*/', ['number 7', 'word a']],
    ['/*! a', ['word a', 'error: a comment does not end']],
    // One inside of another is run as well, and the first end is that of both.
    ['a /*! b /*! c */ d', ['word a', 'word b', 'word c', 'word d']],
    ['a /*! b /*! c */ d */ e', ['word a', 'word b', 'word c', 'word d', 'symbol *', 'symbol /', 'word e']],
    // A plain one inside ends by itself.
    ['a /*! b /* c */ d */ e', ['word a', 'word b', 'word d', 'word e']],
    ["a /*! '*/' */ b", ['word a', "text '*/'", 'word b']],
    ['a /*! b -- */ c\n */ d', ['word a', 'word b', 'word d']],
    ['a /* /*! b */ c', ['word a', 'word c']],
  ])('with comments that are run: %j', (text, expected) => {
    expect(lex(text, usual)).toEqual(expected)
  })

  test.each<Case>([
    ['a /*!50000 b */ c', ['word a', 'word c']],
    ['a /*M! b */ c', ['word a', 'word c']],
    // One other may be inside, whose end is not that of the comment.
    ['a /*!999999 b /* c */ d */ e', ['word a', 'word e']],
    ['a /*!999999 b /*! c */ d */ e', ['word a', 'word e']],
    ['a /*!999999 b /* c /* d */ e */ f', ['word a', 'word f']],
    ['a /*!999999 b /* c */ d', ['word a', 'error: a comment does not end']],
    ['a /* b /* c */ d', ['word a', 'word d']],
  ])('with comments that are not run: %j', (text, expected) => {
    expect(lex(text, notExecuted)).toEqual(expected)
  })

  test.each<Case>([
    ['"na""me" `b`', ['name na"me', 'name b']],
    ['"a\\" b', ['name a\\', 'word b']],
    ["_utf8'a'", ["text _utf8'a'"]],
  ])('with ANSI_QUOTES: %j', (text, expected) => {
    expect(lex(text, ansi)).toEqual(expected)
  })

  test.each<Case>([
    [String.raw`'a\' b`, [String.raw`text 'a\'`, 'word b']],
    [String.raw`'a\'' b'`, [String.raw`text 'a\'' b'`]],
  ])('with NO_BACKSLASH_ESCAPES: %j', (text, expected) => {
    expect(lex(text, noBackslashes)).toEqual(expected)
  })

  test('has one reading where nothing can be read in two ways', () => {
    const count = (text: string): number => languages.mysql.readings(text).length
    expect([count('a'), count('"a"'), count("'\\'"), count('/*! a */'), count('/*M! a */')]).toEqual([
      1, 2, 2, 2, 2,
    ])
  })
})

describe('PostgreSQL', () => {
  test.each<Case>([
    ['a --b\nc', ['word a', 'word c']],
    ['a -- b\rc', ['word a', 'word c']],
    ['a # b', ['word a', 'symbol #', 'word b']],
    ['a /* b /* c */ d */ e', ['word a', 'word e']],
    ['a /* b /* c */ d', ['word a', 'error: a comment does not end']],
    ['/*! a */ b', ['word b']],
    ['"na""me" "A"', ['name na"me', 'name A']],
    [String.raw`'a\' b`, [String.raw`text 'a\'`, 'word b']],
    [String.raw`E'it\'s' a`, [String.raw`text E'it\'s'`, 'word a']],
    [String.raw`e'a''b\\' c`, [String.raw`text e'a''b\\'`, 'word c']],
    [String.raw`E 'a\' b`, ['word E', String.raw`text 'a\'`, 'word b']],
    [String.raw`xE'a\' b`, ['word xE', String.raw`text 'a\'`, 'word b']],
    [String.raw`U&'\0061' U&"s\0065cret"`, [String.raw`text U&'\0061'`, 'name secret']],
    [String.raw`U&"d!0061t!+000061" UESCAPE '!'`, ['name data', 'word UESCAPE', "text '!'"]],
    [String.raw`u & "a"`, ['word u', 'symbol &', 'name a']],
    ["$$ it's $$ a", ["text $$ it's $$", 'word a']],
    ['$a$ $$ $b$ $a$ c', ['text $a$ $$ $b$ $a$', 'word c']],
    ['$a$ open', ['error: a text does not end']],
    ['a$b$c', ['word a$b$c']],
    ['$1 $12', ['placeholder 0', 'placeholder 11']],
    ['a ? b', ['word a', 'symbol ?', 'word b']],
    ['a ?| $1', ['word a', 'symbol ?|', 'placeholder 0']],
    ['a::text b := c', ['word a', 'symbol ::', 'word text', 'word b', 'symbol :=', 'word c']],
    // Where an operator ends.
    ['a=-1', ['word a', 'symbol =', 'symbol -', 'number 1']],
    ['a=+-b', ['word a', 'symbol =', 'symbol +', 'symbol -', 'word b']],
    ['a@-b', ['word a', 'symbol @-', 'word b']],
    ['a->>b', ['word a', 'symbol ->>', 'word b']],
    ['a--b', ['word a']],
    ['a+--b\nc', ['word a', 'symbol +', 'word c']],
    ['a=/* b */c', ['word a', 'symbol =', 'word c']],
    ['- -a', ['symbol -', 'symbol -', 'word a']],
    ['a!~*b', ['word a', 'symbol !~*', 'word b']],
  ])('%j', (text, expected) => {
    expect(lex(text, plain)).toEqual(expected)
  })

  test.each<Case>([
    [String.raw`'it\'s' a`, [String.raw`text 'it\'s'`, 'word a']],
    [String.raw`"a\" b`, ['name a\\', 'word b']],
  ])('with standard_conforming_strings off: %j', (text, expected) => {
    expect(lex(text, withBackslashes)).toEqual(expected)
  })
})

describe('SQLite', () => {
  test.each<Case>([
    ['a --b\nc', ['word a', 'word c']],
    ['a # b', ['word a', 'symbol #', 'word b']],
    ['a /* open', ['word a']],
    ['a /* b /* c */ d', ['word a', 'word d']],
    ['/*! a */ b', ['word b']],
    ['"na""me" `b``c` [d e]', ['name na"me', 'name b`c', 'name d e']],
    // A bracket ends a name; two are one and another.
    ['[a]]b', ['name a', 'symbol ]', 'word b']],
    [String.raw`'a\' b`, [String.raw`text 'a\'`, 'word b']],
    ["E'a'", ['word E', "text 'a'"]],
    [
      '?, ?5, :a, @b, $c::d(e), #1',
      [
        'placeholder 0',
        'symbol ,',
        'placeholder -1',
        'symbol ,',
        'placeholder -1',
        'symbol ,',
        'placeholder -1',
        'symbol ,',
        'placeholder -1',
        'symbol ,',
        'placeholder -1',
      ],
    ],
    ['a==b!=c->>d', ['word a', 'symbol ==', 'word b', 'symbol !=', 'word c', 'symbol ->>', 'word d']],
    ['a$b', ['word a$b']],
  ])('%j', (text, expected) => {
    expect(lex(text, sqlite)).toEqual(expected)
  })
})
