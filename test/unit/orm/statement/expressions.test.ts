import { type Database, databases, inDialect, readIn, unreadableIn, usesIn } from './support'

/** An item of SELECT over `usr u`, and the uses of encrypted columns in it. */
const items: [item: string, ...uses: string[]][] = [
  // Functions and their arguments.
  ['f(), u.secret', 'u.secret selected'],
  ['f(g(u.secret), u.raw_secret)', 'u.secret computed by G', 'u.raw_secret computed by F'],
  ['pg.lower(u.secret)', 'u.secret computed by LOWER'],
  ['f(SELECT secret FROM usr)', 'secret searched'],
  ['f(WITH c AS (SELECT 1) SELECT secret FROM usr)', 'secret searched'],
  ['ARRAY(SELECT secret FROM usr)', 'secret computed'],
  ['EXTRACT(year FROM u.secret)', 'u.secret computed by EXTRACT'],
  ['EXTRACT(secret FROM u.name)'],
  ['EXTRACT("year" FROM u.secret)', 'u.secret computed by EXTRACT'],
  ['EXTRACT("secret" FROM u.name)'],
  ['TIMESTAMPDIFF(secret, u.name, u.secret)', 'u.secret computed by TIMESTAMPDIFF'],
  ['TIMESTAMPADD(u.secret, 1)', 'u.secret computed by TIMESTAMPADD'],
  ['CAST(u.secret AS secret(10)), u.raw_secret', 'u.secret computed by CAST', 'u.raw_secret selected'],
  ['CONVERT(u.secret, secret(10, 2)), u.raw_secret', 'u.secret computed by CONVERT', 'u.raw_secret selected'],
  ['CONVERT(u.name, secret), u.raw_secret', 'u.raw_secret selected'],
  ['XMLFOREST(u.id AS secret, u.secret AS x)', 'u.secret computed by XMLFOREST'],
  ['CONVERT(u.secret USING secret)', 'u.secret computed by CONVERT'],
  ['f(1, secret)', 'secret computed by F'],
  [
    'SUBSTRING(u.name FROM u.secret FOR u.raw_secret)',
    'u.secret computed by SUBSTRING',
    'u.raw_secret computed by SUBSTRING',
  ],
  ['OVERLAY(u.name PLACING u.secret FROM 1)', 'u.secret computed by OVERLAY'],
  [
    'POSITION(u.secret IN u.raw_secret)',
    'u.secret computed by POSITION',
    'u.raw_secret computed by POSITION',
  ],
  ['f(u.secret IN (?))', 'u.secret searched by F'],
  ['TRIM(BOTH u.secret FROM u.raw_secret)', 'u.secret computed by TRIM', 'u.raw_secret computed by TRIM'],
  ['TRIM(LEADING FROM u.secret)', 'u.secret computed by TRIM'],
  ["JSON_VALUE(u.secret, '$' RETURNING secret DEFAULT 1 ON EMPTY)", 'u.secret computed by JSON_VALUE'],
  [
    'f(u.id ORDER BY u.secret USING >, u.raw_secret DESC NULLS LAST)',
    'u.secret ordered by F',
    'u.raw_secret ordered by F',
  ],
  ['DEFAULT(u.secret)', 'u.secret computed by DEFAULT'],
  // Aggregates.
  ['COUNT(u.secret), COUNT(*), COUNT(u.*)', 'u.secret counted by COUNT'],
  ['COUNT(DISTINCT u.secret)', 'u.secret counted-distinct by COUNT'],
  ['COUNT(DISTINCT u.id, u.secret)', 'u.secret aggregated by COUNT'],
  ['COUNT(u.secret, 1)', 'u.secret aggregated by COUNT'],
  ['COUNT(u.secret || 1)', 'u.secret aggregated by COUNT'],
  ['COUNT(DISTINCT u.secret || 1)', 'u.secret aggregated by COUNT'],
  ['SUM(DISTINCT u.secret)', 'u.secret aggregated by SUM'],
  ['SUM(f(u.secret))', 'u.secret aggregated by SUM'],
  ['f(SUM(u.secret))', 'u.secret aggregated by SUM'],
  ["GROUP_CONCAT(DISTINCT u.id ORDER BY u.secret DESC SEPARATOR ',')", 'u.secret aggregated by GROUP_CONCAT'],
  ['ARRAY_AGG(u.id ORDER BY u.secret LIMIT 1 OFFSET 2)', 'u.secret aggregated by ARRAY_AGG'],
  ['SUM(u.id) FILTER (WHERE u.secret = ?)', 'u.secret searched'],
  ['SUM(u.id) filter, u.secret', 'u.secret selected'],
  ['f(1) against, u.secret', 'u.secret selected'],
  ['SUM(1) over, u.secret', 'u.secret selected'],
  ['SUM(DISTINCT u.secret IS NULL)', 'u.secret null-test by SUM'],
  ['PERCENTILE_CONT(1) WITHIN GROUP (ORDER BY u.secret DESC, u.id)', 'u.secret ordered by PERCENTILE_CONT'],
  // Windows.
  ['LAG(u.id) IGNORE NULLS OVER (ORDER BY u.secret)', 'u.secret ordered'],
  ['LAG(u.id) RESPECT NULLS OVER w, u.secret', 'u.secret selected'],
  ['SUM(1) OVER "w", u.secret', 'u.secret selected'],
  ['SUM(1) OVER (), u.secret', 'u.secret selected'],
  [
    'LAG(u.secret) OVER (w PARTITION BY u.secret ORDER BY u.raw_secret ROWS BETWEEN f(1) PRECEDING AND CURRENT ROW EXCLUDE TIES)',
    'u.secret aggregated by LAG',
    'u.secret grouped',
    'u.raw_secret ordered',
  ],
  ['SUM(1) OVER (PARTITION BY u.id, u.secret)', 'u.secret grouped'],
  ['SUM(1) OVER (partition BY u.secret)', 'u.secret grouped'],
  ['SUM(1) OVER (RANGE UNBOUNDED PRECEDING), u.secret', 'u.secret selected'],
  // Words that are SQL's before an operand, and names elsewhere.
  ["date 'x', u.secret", 'u.secret selected'],
  ['date, u.secret', 'u.secret selected'],
  ["time without time zone '1', timestamp with time zone '2', u.secret", 'u.secret selected'],
  ["interval '1' day, u.secret", 'u.secret selected'],
  ['interval(u.secret, 1)', 'u.secret computed by INTERVAL'],
  ['u.id + interval u.secret day', 'u.secret computed'],
  ['interval, u.secret', 'u.secret selected'],
  ['not, u.secret', 'u.secret selected'],
  ['NOT u.secret', 'u.secret computed'],
  ['BINARY u.secret', 'u.secret computed'],
  ['binary, u.secret', 'u.secret selected'],
  ['exists, u.secret', 'u.secret selected'],
  ['EXISTS (SELECT u.secret), u.raw_secret', 'u.secret selected', 'u.raw_secret selected'],
  ['EXISTS (SELECT u.secret) AND u.raw_secret', 'u.secret selected', 'u.raw_secret computed'],
  ['ROW(u.secret, 1)', 'u.secret computed'],
  ['(ROW(u.secret, 1)).f', 'u.secret computed'],
  ['(u.secret).x, (u.raw_secret).*', 'u.secret computed', 'u.raw_secret computed'],
  ['f(1)(u.secret)', 'u.secret computed'],
  ['(), u.secret', 'u.secret selected'],
  ['(values), u.secret', 'u.secret selected'],
  ["date 'x' time, u.secret", 'u.secret selected'],
  ['NULL, TRUE, current_date, u.secret', 'u.secret selected'],
  ["'a' 'b', u.secret", 'u.secret selected'],
  // CASE.
  ['case, u.secret', 'u.secret selected'],
  ['CASE u.secret WHEN ? THEN 1 ELSE 2 END', 'u.secret computed'],
  ['CASE u.id WHEN u.secret THEN 1 END', 'u.secret computed'],
  ['CASE WHEN u.secret = ? THEN u.raw_secret ELSE 1 END', 'u.secret searched', 'u.raw_secret computed'],
  ['CASE WHEN u.id = 1 THEN 1 ELSE u.secret END AS x', 'u.secret computed'],
  ['CASE WHEN u.secret IS NULL THEN 1 END = 1', 'u.secret null-test'],
  ['CASE WHEN 1 THEN 2 WHEN u.secret IS NULL THEN 1 END', 'u.secret null-test'],
  ['1 = u.secret', 'u.secret searched'],
  [
    'CASE WHEN 1 THEN CASE WHEN 2 THEN u.secret END END AS x, u.raw_secret',
    'u.secret computed',
    'u.raw_secret selected',
  ],
  // Operators.
  ["u.secret AT TIME ZONE 'x', u.raw_secret AT LOCAL", 'u.secret computed', 'u.raw_secret computed'],
  ['u.id DIV u.secret, u.id MOD u.raw_secret', 'u.secret computed', 'u.raw_secret computed'],
  ['u.secret COLLATE "C"', 'u.secret computed'],
]

/** A condition over `usr u`, and the uses of encrypted columns in it. */
const conditions: [where: string, ...uses: string[]][] = [
  [
    'MATCH (u.name, u.secret) AGAINST (? IN BOOLEAN MODE) AND u.raw_secret = ?',
    'u.secret searched by MATCH',
    'u.raw_secret searched',
  ],
  ['MATCH (u.name) AGAINST (u.secret WITH QUERY EXPANSION)', 'u.secret searched by MATCH'],
  ['u.secret = ANY (SELECT name FROM plain)', 'u.secret searched'],
  ['u.secret BETWEEN ? AND ? AND u.raw_secret IS NULL', 'u.secret searched', 'u.raw_secret null-test'],
  ['? BETWEEN u.secret AND u.raw_secret', 'u.secret searched', 'u.raw_secret searched'],
  ["u.secret SIMILAR TO ? ESCAPE 'x' AND u.raw_secret = ?", 'u.secret searched', 'u.raw_secret searched'],
  ['u.secret IS TRUE OR u.raw_secret IS NOT UNKNOWN', 'u.secret searched', 'u.raw_secret searched'],
  ['u.secret IS JSON AND u.raw_secret IS NOT NORMALIZED', 'u.secret searched', 'u.raw_secret searched'],
  ['u.secret ISNULL OR u.raw_secret NOTNULL', 'u.secret null-test', 'u.raw_secret null-test'],
  ['u.secret || 1 IS NULL', 'u.secret searched'],
  ['1 || u.secret IS NULL', 'u.secret searched'],
  ['-u.secret IS NULL', 'u.secret searched'],
  ['BINARY u.secret IS NULL', 'u.secret searched'],
  ['NOT u.secret IS NULL', 'u.secret null-test'],
  ['u.* IS NULL', 'u.* searched', 'u.* searched'],
  ['(u.secret, u.id) IS NULL', 'u.secret searched'],
  ['u.secret COLLATE pg.x LIKE ?', 'u.secret searched'],
  ["u.secret || 'x' 'y' = ?", 'u.secret searched'],
  ['(u.id, u.secret) IN ((?, ?), (?, ?))', 'u.secret searched'],
  ['u.secret IN ((SELECT 1) UNION SELECT raw_secret)', 'u.secret searched', 'raw_secret searched'],
  // Names that follow an operand, which the reader knows no rule for.
  ['u.id "x" u.secret', 'u.secret unplaced'],
  ['u.id secret', 'secret unplaced'],
  ['u.id x.secret', 'x.secret unplaced'],
]

describe.each(databases)('Expressions, on %s', (database) => {
  const uses = (sql: string): string[] => {
    const { text, statement } = readIn(database, sql)
    return usesIn(text, statement)
  }

  test.each(items)('SELECT %s', (item, ...expected) => {
    expect(uses(`SELECT ${item} FROM usr u`)).toEqual(expected)
  })

  test.each(conditions)('WHERE %s', (where, ...expected) => {
    expect(uses(`SELECT 1 FROM usr u WHERE ${where}`)).toEqual(expected)
  })

  test('a DISTINCT count is one of the selected items, and elsewhere like other aggregates', () => {
    expect(uses('SELECT COUNT(DISTINCT u.secret) FROM usr u ORDER BY COUNT(DISTINCT u.secret)')).toEqual([
      'u.secret counted-distinct by COUNT',
      'u.secret ordered by COUNT',
    ])
    expect(uses('SELECT 1 FROM usr u HAVING COUNT(DISTINCT u.secret) > 1')).toEqual([
      'u.secret aggregated by COUNT',
    ])
  })

  test.each([
    'SELECT f(u.secret ‸WHERE 1) FROM usr u',
    'SELECT f(u.secret‸; 1)',
    'SELECT CAST(u.secret AS x(1‸',
    'SELECT f(1) x ‸(WHERE u.secret = ?) FROM usr u',
    'SELECT f(1) filter ‸x WHERE u.secret = ?',
    'SELECT CASE WHEN 1 THEN 2 END ‸END FROM usr u',
    'SELECT CAST(u.secret AS‸',
    'SELECT f(u.id ORDER BY u.secret NULLS‸) FROM usr u',
    'SELECT f(u.secret‸',
    'SELECT f(u.secret ‸?)',
    'SELECT SUM(u.id) FILTER (WHERE u.secret = ? ‸FROM usr u',
    'SELECT f(1) WITHIN GROUP (‸u.secret) FROM usr u',
    'SELECT f(1) WITHIN GROUP ‸ORDER BY u.secret FROM usr u',
    'SELECT SUM(1) OVER (ROWS ‸"x") FROM usr u',
    'SELECT SUM(1) OVER (ROWS 1‸',
    'SELECT 1 FROM usr u WHERE MATCH (u.name) AGAINST (? IN‸',
    'SELECT time ‸with x, u.secret FROM usr u',
    'SELECT 1 FROM usr u WHERE EXISTS (‸u.secret)',
    'SELECT 1 FROM usr u WHERE 1 IN ‸u',
    'SELECT u.secret ‸? FROM usr u',
    'SELECT 1 FROM usr u WHERE‸',
    'SELECT 1 FROM usr u WHERE u.secret = ‸)',
    'SELECT 1 FROM usr u WHERE (u.secret, ‸)',
    'SELECT 1 FROM usr u WHERE u.secret .‸',
    'SELECT 1 FROM usr u WHERE ‸\\ u.secret',
    'SELECT ((1‸',
  ])('what it cannot read: %s', (sql) => {
    expect(unreadableIn(database, sql.replace('‸', ''))).toBe(inDialect(database, sql))
  })
})

/** Comparisons over `usr u`: each as written, its operator, its parameters, and what is said of it. */
const comparisons: [where: string, ...comparisons: string[]][] = [
  ['u.secret = ?', 'u.secret = ? [=] 0 direct'],
  ['secret <> ?', 'secret <> ? [<>] 0 direct'],
  ['? = u.secret', '? = u.secret [=] 0 direct'],
  ['u.secret = (?)', 'u.secret = (?) [=] 0 direct'],
  ['(u.secret) = ?', '(u.secret) = ? [=] 0 direct'],
  ['u.secret IN (?, ?)', 'u.secret IN (?, ?) [IN] 0,1 direct'],
  ['u.secret NOT IN (?, ?)', 'u.secret NOT IN (?, ?) [not IN] 0,1 direct'],
  ['u.secret LIKE ?', 'u.secret LIKE ? [LIKE] 0 direct'],
  ['u.secret NOT LIKE ?', 'u.secret NOT LIKE ? [not LIKE] 0 direct'],
  ['u.secret SOUNDS LIKE ?', 'u.secret SOUNDS LIKE ? [SOUNDS] 0 direct'],
  ['? MEMBER OF (u.secret)', '? MEMBER OF (u.secret) [MEMBER] 0 direct'],
  ['u.secret IS ?', 'u.secret IS ? [IS] 0 direct'],
  ['u.secret IS NOT ?', 'u.secret IS NOT ? [not IS] 0 direct'],
  ['u.secret IS DISTINCT FROM ?', 'u.secret IS DISTINCT FROM ? [IS] 0 direct'],
  ['u.secret = ANY (?)', 'u.secret = ANY (?) [= ANY] 0 direct'],
  ['u.secret = SOME (?)', 'u.secret = SOME (?) [= SOME] 0 direct'],
  ['u.secret <> ALL (?)', 'u.secret <> ALL (?) [<> ALL] 0 direct'],
  ['u.secret OPERATOR(pg_catalog.=) ?', 'u.secret OPERATOR(pg_catalog.=) ? [=] 0 direct'],
  ['u.secret OPERATOR(pg_catalog.<>) ?', 'u.secret OPERATOR(pg_catalog.<>) ? [<>] 0 direct'],
  ['u.secret OPERATOR(>) ?', 'u.secret OPERATOR(>) ? [>] 0 direct'],
  // What an operator of another schema does is not known.
  ['u.secret OPERATOR(mine.=) ?', 'u.secret OPERATOR(mine.=) ? [OPERATOR] 0 direct'],
  // A part of something else.
  ['NOT u.secret = ?', 'u.secret = ? [=] 0 direct bent'],
  [
    'NOT (u.secret = ? AND u.raw_secret = ?)',
    'u.secret = ? [=] 0 direct bent',
    'u.raw_secret = ? [=] 1 direct bent',
  ],
  ['(u.secret = ?) IS NULL', 'u.secret = ? [=] 0 direct bent'],
  ['(u.secret = ?) = TRUE', 'u.secret = ? [=] 0 direct bent'],
  ['u.secret = ? XOR u.raw_secret = ?', 'u.secret = ? [=] 0 direct', 'u.raw_secret = ? [=] 1 direct bent'],
  ['CASE WHEN u.secret = ? THEN 1 END', 'u.secret = ? [=] 0 direct bent'],
  [
    'CASE WHEN u.name NOT LIKE ? THEN 2 WHEN u.secret LIKE ? THEN 1 END',
    'u.secret LIKE ? [LIKE] 1 direct bent',
  ],
  ['u.score BETWEEN ? + 1 AND ? AND u.secret = ?', 'u.secret = ? [=] 2 direct'],
  [
    'u.id = 1 AND NOT (u.secret = ?) AND u.raw_secret = ?',
    'u.secret = ? [=] 0 direct bent',
    'u.raw_secret = ? [=] 1 direct',
  ],
  [
    'u.secret = ? OR u.id IN (?) AND u.raw_secret <> ?',
    'u.secret = ? [=] 0 direct',
    'u.raw_secret <> ? [<>] 2 direct',
  ],
  ['f(u.secret = ?)', 'u.secret = ? [=] 0 direct'],
  // No comparison with parameters alone.
  ['u.secret = ? + 1'],
  ['u.secret = u.raw_secret'],
  ['u.secret BETWEEN ? AND ?'],
  // AND of BETWEEN begins no condition, whatever stands before it.
  ['u.score BETWEEN ? + 1 AND u.secret = ?'],
  ['u.secret = ? COLLATE "C"'],
  ['u.secret COLLATE "C" = ?'],
  ['BINARY u.secret = ?'],
  ['u.secret IN (?, 1)'],
  ["u.secret IN (?, 'x')"],
  ['u.secret IN (1, 2)'],
  ['u.secret = 1'],
  ['lower(u.secret) = ?'],
  ['u.secret = lower(?)'],
  ['u.* = ?'],
]

describe.each<Database>(databases)('Comparisons, on %s', (database) => {
  const comparisonsIn = (sql: string): string[] => {
    const { text, statement } = readIn(database, sql)
    return statement.comparisons.map(
      ({
        operator,
        isNegated,
        placeholders,
        start,
        end,
        columnStart,
        columnEnd,
        nameStart,
        isDirect,
        isBent,
        spans,
      }) => {
        expect(text.slice(start, end)).toContain(text.slice(columnStart, columnEnd))
        expect(text.slice(columnStart, columnEnd).endsWith(text.slice(nameStart, columnEnd))).toBe(true)
        expect(text.slice(nameStart, columnEnd)).toMatch(/^["`]?\w+["`]?$/)
        expect(spans).toEqual([])
        return [
          text.slice(start, end).replace(/\$\d/g, '?'),
          `[${isNegated ? 'not ' : ''}${operator}]`,
          placeholders.join(),
          ...(isDirect ? ['direct'] : []),
          ...(isBent ? ['bent'] : []),
        ].join(' ')
      },
    )
  }

  test.each(comparisons)('%s', (where, ...expected) => {
    expect(comparisonsIn(`SELECT 1 FROM usr u WHERE ${where}`)).toEqual(expected)
  })

  test.each<[string, string[]]>([
    ['SELECT secret AS s FROM usr WHERE s = ?', ['s = ? [=] 0']],
    ['SELECT 1 FROM (SELECT secret FROM usr) d WHERE d.secret = ?', ['d.secret = ? [=] 0']],
    ['SELECT id FROM usr GROUP BY id HAVING secret = ?', ['secret = ? [=] 0']],
    ['SELECT 1 FROM usr ORDER BY secret = ?', ['secret = ? [=] 0']],
    ['SELECT 1 FROM usr GROUP BY secret = ?', ['secret = ? [=] 0']],
    ['SELECT 1 FROM usr t (a, b, c, d) WHERE d = ?', ['d = ? [=] 0']],
    ['SELECT secret = ? FROM usr', ['secret = ? [=] 0 direct']],
    ['SELECT 1 FROM usr u JOIN plain ON u.secret = ?', ['u.secret = ? [=] 0 direct']],
    [
      'UPDATE usr SET name = ? WHERE "usr"."secret" = ?',
      [inDialect(database, '"usr"."secret" = ? [=] 1 direct')],
    ],
  ])(
    '%s: another column of its table can stand in its place only where the name is its own',
    (sql, expected) => {
      expect(comparisonsIn(sql).map((each) => each.replace(/\$\d/g, '?'))).toEqual(
        expected.map((each) => each.replace(/\$\d/g, '?')),
      )
    },
  )

  test('what else WHERE says of the same row stands beside them, and of no other', () => {
    const { statement } = readIn(
      database,
      'SELECT 1 FROM usr u, usr v, pair p WHERE u.secret = ? AND u.id = ? AND v.id = ? AND p.a = ? AND u.raw_secret = ? AND v.secret = ? AND EXISTS (SELECT 1 FROM usr u WHERE u.secret = ?)',
    )
    expect(
      statement.comparisons.map(({ source, beside }) => [
        `${source.row}.${source.column.name}`,
        ...beside.map((each) => `${each.source.row}.${each.source.column.name} ${each.placeholders.join()}`),
      ]),
    ).toEqual([
      ['u.secret', 'u.secret 0', 'u.id 1', 'u.raw_secret 4'],
      ['u.raw_secret', 'u.secret 0', 'u.id 1', 'u.raw_secret 4'],
      ['v.secret', 'v.id 2', 'v.secret 5'],
      ['u.secret', 'u.secret 6'],
    ])
  })
})

describe('Expressions that only some databases have', () => {
  const uses = (database: Database, sql: string): string[] => {
    const { text, statement } = readIn(database, sql)
    return usesIn(text, statement)
  }

  test.each<[Database, string, string[]]>([
    [
      'postgres',
      'SELECT ARRAY[u.secret, 1][1:2], u.raw_secret FROM usr u',
      ['u.secret computed', 'u.raw_secret selected'],
    ],
    ['postgres', 'SELECT ARRAY[[u.secret], [2]] FROM usr u', ['u.secret computed']],
    [
      'postgres',
      'SELECT u.name[u.secret], u.raw_secret[1] FROM usr u',
      ['u.secret computed', 'u.raw_secret computed'],
    ],
    [
      'postgres',
      'SELECT u.secret::varchar(10)[3][], u.raw_secret FROM usr u',
      ['u.secret computed', 'u.raw_secret selected'],
    ],
    [
      'postgres',
      'SELECT u.id::timestamp(3) with time zone, u.id::time without time zone, u.id::double precision, u.id::character varying, u.secret FROM usr u',
      ['u.secret selected'],
    ],
    ['postgres', "SELECT json '{}', u.secret FROM usr u", ['u.secret selected']],
    ['postgres', 'SELECT (u).id, u.secret FROM usr u', ['u computed', 'u.secret selected']],
    ['mysql', "SELECT _utf8 'x', u.secret FROM usr u", ['u.secret selected']],
    ['mysql', "SELECT u.secret 's', u.raw_secret FROM usr u", ['u.secret selected', 'u.raw_secret selected']],
    ['mysql', "SELECT f(u.secret 's') FROM usr u", ['u.secret computed by F']],
    [
      'sqlite',
      "SELECT 'u'.'secret', 'u'.*, 'x' FROM usr u",
      ["'u'.'secret' selected", "'u'.* selected", "'u'.* selected"],
    ],
    ['sqlite', "SELECT 1 FROM usr u WHERE 'secret' = ?", []],
    ['sqlite', "SELECT 1 FROM usr u WHERE 'secret' = u.name", []],
    // Up to PostgreSQL 13 an operator may stand behind its operand.
    ['postgres', 'SELECT u.id !, u.secret FROM usr u', ['u.secret selected']],
    ['postgres', 'SELECT ARRAY[u.id !], u.secret FROM usr u', ['u.secret selected']],
    ['postgres', 'SELECT 1 FROM usr u WHERE u.secret = u.id !;', ['u.secret searched']],
  ])('on %s: %s', (database, sql, expected) => {
    expect(uses(database, sql)).toEqual(expected)
  })

  test.each<[Database, string]>([
    ['postgres', 'SELECT u.id::int[‸x] FROM usr u'],
    ['postgres', 'SELECT u.name[1 FROM usr u‸'],
    ['postgres', 'SELECT 1 FROM usr u WHERE u.id OPERATOR(mine‸) u.secret'],
    ['postgres', 'SELECT 1 FROM usr u WHERE u.id OPERATOR(= ‸u.secret'],
  ])('on %s it cannot read %s', (database, sql) => {
    expect(unreadableIn(database, sql.replace('‸', ''))).toBe(sql)
  })

  test('numbers that stand more than once have their places with them', () => {
    const sql = 'SELECT 1 FROM usr u WHERE u.secret IN ($1, $2) AND u.raw_secret = $1 AND u.id = $3'
    const { statement } = readIn('postgres', sql)
    expect(
      statement.comparisons.map(({ spans }) => spans.map(([start, end]) => [start, sql.slice(start, end)])),
    ).toEqual([
      [
        [sql.indexOf('$1'), '$1'],
        [sql.indexOf('$2'), '$2'],
      ],
      [[sql.lastIndexOf('$1'), '$1']],
    ])
    expect([statement.parameters, [...statement.repeated]]).toEqual([3, [[0, 2]]])
  })
})
