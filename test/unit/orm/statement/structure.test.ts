import { mysqlLanguage } from '../../../../src/dialects/mysql/lexical-rules'
import { Reader } from '../../../../src/orm/statement/read'
import { databases, inDialect, placesIn, readerOf, table } from './support'

describe.each(databases)('The structure of a statement, on %s', (database) => {
  const read = (sql: string) => readerOf(database).read(inDialect(database, sql))[0]

  test('takes rows that are alike together', () => {
    const row = '(DEFAULT, ?, ?)'
    const rows = Array.from({ length: 10_000 }, () => row).join(', ')
    const sql = inDialect(database, `INSERT INTO "usr"("id", "name", "secret") VALUES ${rows}, (1, NULL, ?)`)
    const [insert] = readerOf(database).read(sql)[0].inserts
    expect(insert?.columns.map(({ name, column }) => [name, column?.isEncrypted])).toEqual([
      ['id', false],
      ['name', false],
      ['secret', true],
    ])
    expect(insert?.runs).toEqual([
      {
        rows: 10_000,
        cells: [{ kind: 'default' }, { kind: 'placeholder', index: 0 }, { kind: 'placeholder', index: 1 }],
        stride: 2,
        ends: new Map(),
      },
      {
        rows: 1,
        cells: [
          { kind: 'integer', spans: [[sql.lastIndexOf('(') + 1, sql.lastIndexOf('(') + 2]] },
          { kind: 'null' },
          { kind: 'placeholder', index: 20_000 },
        ],
        stride: 0,
        ends: new Map(),
      },
    ])
  })

  test('takes rows together only if their placeholders go on evenly', () => {
    const sql = database === 'postgres' ? '($1, $2), ($3, $4), ($9, $8)' : '(?, ?), (?, ?), (NULL, ?)'
    const [insert] = readerOf(database).read(`INSERT INTO usr (name, secret) VALUES ${sql}`)[0].inserts
    expect(insert?.runs.map(({ rows, stride }) => [rows, stride])).toEqual([
      [2, 2],
      [1, 0],
    ])
  })

  test('leads from result names to columns and rows', () => {
    const { results } = read(
      'SELECT "a"."id" AS "5f4dcc3b5aa765d61d8327deb882cf99", "a"."secret" AS "x", "b".*, 1 AS one, COUNT(*) FROM "usr" "a" LEFT JOIN "pair" "b" ON "b"."a" = "a"."id"',
    )
    expect(
      results.map(({ name, sources }) => [
        name,
        ...sources.map(({ row, column }) => `${row}.${column.name}`),
      ]),
    ).toEqual([
      ['5f4dcc3b5aa765d61d8327deb882cf99', 'a.id'],
      ['x', 'a.secret'],
      ['a', 'b.a'],
      ['b', 'b.b'],
      ['secret', 'b.secret'],
      ['one'],
      [undefined],
    ])
  })

  test('leads through derived tables, and tells the occurrences of one table apart', () => {
    const { results } = read(
      'WITH c AS (SELECT id, secret FROM usr) SELECT p.secret AS s1, q.secret AS s2, d.s FROM c p, c q, (SELECT secret AS s FROM member) d',
    )
    expect(
      results.map(({ name, sources }) => [
        name,
        ...sources.map(({ row, table: { path } }) => `${row} ${path.join('.')}`),
      ]),
    ).toEqual([
      ['s1', 'p/usr usr'],
      ['s2', 'q/usr usr'],
      ['s', 'd/member member'],
    ])
  })

  test('names the source of each branch of a set operation', () => {
    const [result] = read('SELECT secret AS s FROM usr UNION ALL SELECT secret FROM member').results
    expect(result?.sources.map(({ row }) => row)).toEqual(['usr', 'member'])
  })

  test('keeps comparisons with their placeholders and offsets', () => {
    const sql = inDialect(
      database,
      'SELECT 1 FROM usr u WHERE u.name = ? AND u.secret = ? OR (? <> u.secret) AND u.secret NOT IN (?, ?) AND u.secret = ? + 1 AND u.secret = -? AND ? = -u.secret AND u.secret = NOT ?',
    )
    const { comparisons } = readerOf(database).read(sql)[0]
    expect(
      comparisons.map(({ operator, isNegated, placeholders, start, end, columnStart, columnEnd }) => [
        operator,
        isNegated,
        placeholders,
        sql.slice(start, end).replace(/\$\d/g, '?'),
        sql.slice(columnStart, columnEnd),
      ]),
    ).toEqual([
      ['=', false, [1], 'u.secret = ?', 'u.secret'],
      ['<>', false, [2], '? <> u.secret', 'u.secret'],
      ['IN', true, [3, 4], 'u.secret NOT IN (?, ?)', 'u.secret'],
    ])
  })

  test('says what columns are set to', () => {
    const { assignments, kind } = read(
      'UPDATE usr SET name = ?, secret = ?, score = score + 1, raw_secret = NULL WHERE id = ?',
    )
    expect(kind).toBe('update')
    expect(assignments.map(({ name, value }) => [name, value])).toEqual([
      ['name', { kind: 'placeholder', index: 0 }],
      ['secret', { kind: 'placeholder', index: 1 }],
      ['score', { kind: 'expression' }],
      ['raw_secret', { kind: 'null' }],
    ])
  })

  test.each([
    'EXPLAIN SELECT secret FROM usr',
    "SELECT 'secret FROM usr",
    'SELECT secret FROM usr WHERE (secret = 1',
    'SELECT secret FROM usr; SELECT secret FROM usr',
    `SELECT 1 FROM usr WHERE ${'('.repeat(500)}secret${')'.repeat(500)} = 1`,
    'WITH c AS (SELECT secret FROM usr) SELECT 1 FROM plain WHERE 1 IN c',
    'MERGE INTO usr USING plain ON 1 = 1',
  ])('says that it cannot read %s', (sql) => {
    expect(read(sql).unreadable).toBeDefined()
  })

  test('reads 200 parentheses in each other and no more, and any number beside each other', () => {
    const deep = (depth: number) =>
      read(`SELECT 1 FROM usr WHERE ${'('.repeat(depth)}secret${')'.repeat(depth)} = 1`)
    expect(placesIn(deep(200))).toEqual(['usr.secret searched'])
    expect(deep(201).unreadable).toBeDefined()
    const wide = Array.from({ length: 300 }, () => '(secret = 1)').join(' OR ')
    expect(placesIn(read(`SELECT 1 FROM usr WHERE ${wide}`))).toHaveLength(300)
  })

  test('finds a table by its schema or database, and a bare name by what is declared for it', () => {
    const reader = readerOf(database, {
      defaults: ['here'],
      tables: [
        table('there.usr', 'id*', 'secret!'),
        table('here.plain', 'id*', 'secret'),
        table('there.plain', 'id*', 'secret!'),
      ],
    })
    const places = (from: string) => placesIn(reader.read(`SELECT 1 FROM ${from} t WHERE t.secret = 1`)[0])
    expect(places('there.usr')).toEqual(['t.secret searched'])
    expect(places('here.usr')).toEqual([])
    // The search path may lead there.
    expect(places('usr')).toEqual(['t.secret searched'])
    expect(places('plain')).toEqual([])
    expect(places('here.plain')).toEqual([])
    expect(places('there.plain')).toEqual(['t.secret searched'])
  })
})

describe('Texts that MySQL reads in several ways', () => {
  const places = (sql: string) => readerOf('mysql').read(sql).map(placesIn)

  test.each<[string, string[][]]>([
    ['SELECT 1 FROM usr u WHERE u.name = ?', [[]]],
    // ANSI_QUOTES
    ['SELECT 1 FROM usr u WHERE "u"."name" = ?', [[]]],
    ['SELECT 1 FROM usr u WHERE u.id = "x" OR "secret" = ?', [[], ['u.secret searched']]],
    // NO_BACKSLASH_ESCAPES
    ["SELECT 1 FROM usr u WHERE u.name = 'a\\' OR u.secret = '' OR u.name = 'b'", [['u.secret searched']]],
    ["SELECT 1 FROM usr u WHERE u.name = 'a\\' OR u.secret = 1 OR u.name = \\'b'", [[]]],
    // Comments that depend on the server's version
    [
      "SELECT 1 FROM usr u WHERE u.id = 1 /*!99999 OR '*/ OR u.secret = ? /*' */",
      [[], ['u.secret searched']],
    ],
  ])('%s', (sql, expected) => {
    expect(places(sql)).toEqual(expected)
  })

  test.each<[string, number[], number[]]>([
    ['SELECT ?, ?', [7, 10], [7, 10]],
    ["SELECT '?', ?", [12], [8, 12]],
    ['SELECT "?", `?`, ?', [17], [8, 13, 17]],
    ['SELECT /* ? */ ?', [15], [10, 15]],
    ['SELECT /*! ? */ ?', [11, 16], [11, 16]],
    ['SELECT 1 -- ?\n, ?', [16], [12, 16]],
    ['SELECT 1 --?\n, ?', [11, 15], [11, 15]],
    ['SELECT # ?\n ?', [12], [9, 12]],
    ['SELECT ??, ???, ?', [7, 16], [7, 16]],
    ["SELECT 'a\\'?', ?", [15], [11, 15]],
  ])('the placeholders of %s', (sql, outside, everywhere) => {
    const naive = (text: string, [value]: unknown[]): string => text.replace('?', String(value))
    expect(mysqlLanguage().placeholders?.(sql)).toEqual(outside)
    expect(mysqlLanguage(naive).placeholders?.(sql)).toEqual(everywhere)
  })

  test('a parameter is counted as the driver counts it', () => {
    const sql = "UPDATE usr SET name = '?', secret = ?"
    const tables = {
      defaults: [],
      tables: [table('usr', 'id*', 'name', 'secret!')],
    }
    const naive = (text: string, [value]: unknown[]): string => text.replace('?', String(value))
    const index = (language = mysqlLanguage()) =>
      new Reader(language, tables).read(sql)[0].assignments[1]?.value
    expect(index()).toEqual({ kind: 'placeholder', index: 0 })
    expect(index(mysqlLanguage(naive))).toEqual({
      kind: 'placeholder',
      index: 1,
    })
  })

  test('the installed driver finds them outside of texts', () => {
    const { format } = jest.requireActual<{
      format: (sql: string, values: unknown[]) => string
    }>('mysql2')
    expect(mysqlLanguage(format).placeholders?.("SELECT '?', ?")).toEqual([12])
    expect(format('SELECT \'?\', "?", `?`, /* ? */ ?, # ?\n ?, -- ?\n ?', [1, 2, 3])).toBe(
      'SELECT \'?\', "?", `?`, /* ? */ 1, # ?\n 2, -- ?\n 3',
    )
  })
})

test('Named parameters, whose values nobody can tell, are never taken together', () => {
  const [insert] = readerOf('sqlite').read('INSERT INTO usr (secret) VALUES (@a), (@b)')[0].inserts
  expect(insert?.runs.map(({ rows }) => rows)).toEqual([1, 1])
})
