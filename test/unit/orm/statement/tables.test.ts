import { databases, inDialect, readIn, unreadableIn, usesIn } from './support'

/** What stands in FROM, with a condition behind it; the tables of the catalogue with their aliases, and the uses. */
const cases: [from: string, tables: string, ...uses: string[]][] = [
  ['usr WHERE secret = ?', 'usr', 'secret searched'],
  ['ONLY usr * WHERE secret = ?', 'usr', 'secret searched'],
  ['usr, plain p, member AS m WHERE m.secret = ?', 'usr, plain p, member m', 'm.secret searched'],
  ['nowhere n, usr WHERE n.secret = ?', 'usr'],
  // Joins.
  ['plain p INNER JOIN usr u ON u.secret = ? CROSS JOIN pair', 'plain p, usr u, pair', 'u.secret searched'],
  [
    'plain p LEFT OUTER JOIN usr u ON u.secret = ? RIGHT JOIN member m ON m.secret = ? FULL OUTER JOIN pair ON pair.secret = ?',
    'plain p, usr u, member m, pair',
    'u.secret searched',
    'm.secret searched',
    'pair.secret searched',
  ],
  ['plain p STRAIGHT_JOIN usr u ON u.secret = ?', 'plain p, usr u', 'u.secret searched'],
  [
    'usr u JOIN plain p ON TRUE, member m WHERE m.secret = ?',
    'usr u, plain p, member m',
    'm.secret searched',
  ],
  [
    'plain p JOIN usr u USING (id, secret) AS j WHERE u.raw_secret = ?',
    'plain p, usr u',
    'secret searched',
    'u.raw_secret searched',
  ],
  [
    'plain p JOIN usr USING (id) JOIN member m ON m.secret = ?',
    'plain p, usr, member m',
    'm.secret searched',
  ],
  // NATURAL compares what has the same name on both sides, as far as that is known.
  ['plain p NATURAL LEFT JOIN usr u', 'plain p, usr u', ' searched'],
  ['pair NATURAL JOIN nowhere', 'pair', ' searched'],
  ['pair NATURAL JOIN (SELECT 1 AS x) d', 'pair'],
  ['pair NATURAL JOIN (SELECT 1 AS secret) d', 'pair', ' searched'],
  ['usr NATURAL JOIN (SELECT id, name FROM plain) d', 'usr, plain'],
  // Parentheses.
  [
    '(usr u JOIN plain p ON u.secret = ?) WHERE u.raw_secret = ?',
    'usr u, plain p',
    'u.secret searched',
    'u.raw_secret searched',
  ],
  ['((usr)) WHERE secret = ?', 'usr', 'secret searched'],
  [
    '(SELECT secret FROM usr) AS d (x) WHERE d.x = ? OR x = ?',
    'usr',
    'secret selected',
    'd.x searched',
    'x searched',
  ],
  ['((SELECT secret FROM usr)) d WHERE d.secret = ?', 'usr', 'secret selected', 'd.secret searched'],
  ['(VALUES (1, 2)) AS d (secret, x), usr u WHERE d.secret = ?', 'usr u'],
  // LATERAL sees what stands beside it; others do not.
  [
    '(SELECT secret FROM usr) d, LATERAL (SELECT d.secret AS s) e WHERE e.s = ?',
    'usr',
    'secret selected',
    'd.secret selected',
    'e.s searched',
  ],
  ['usr d, (SELECT d.secret AS s) e WHERE e.s = ?', 'usr d', 'd.secret unplaced'],
  ['usr d, LATERAL lower(d.secret) x', 'usr d', 'd.secret computed by LOWER'],
  ['usr d JOIN LATERAL pg.lower(d.secret) x ON TRUE', 'usr d', 'd.secret computed by LOWER'],
  ['usr lateral WHERE lateral.secret = ?', 'usr lateral', 'lateral.secret searched'],
  ['plain p, lateral WHERE p.id = ?', 'plain p'],
  ['usr u, lateral l WHERE l.secret = ? AND u.secret = ?', 'usr u', 'u.secret searched'],
  // Functions that give rows.
  [
    'usr u, generate_series(1, u.score) WITH ORDINALITY AS g (secret, n) WHERE g.secret = ? AND u.secret = ?',
    'usr u',
    'u.secret searched',
  ],
  ['f(1), usr WHERE f.secret = ?', 'usr'],
  ['f(1) filter (secret), usr u WHERE u.secret = ?', 'usr u', 'u.secret searched'],
  ['f(1) AS (secret int, b text), usr u WHERE u.secret = ?', 'usr u', 'u.secret searched'],
  ['f(1) AS t (x int, b numeric(1, 2)), usr u WHERE u.secret = ?', 'usr u', 'u.secret searched'],
  ['f(1) t, usr u WHERE t.secret = ?', 'usr u'],
  ['f((SELECT secret FROM usr)) t', 'usr', 'secret computed'],
  // Names that an alias gives to columns.
  [
    'usr AS t (a, b, c, d) WHERE t.d = ? OR d = ? OR raw_secret = ?',
    'usr t',
    't.d searched',
    'd searched',
    'raw_secret searched',
  ],
  ['usr AS t (a, b, c, d) WHERE t.secret = ?', 'usr t'],
  ['usr t (a) WHERE t.secret = ?', 'usr t', 't.secret searched'],
  // What stands behind a table.
  ['usr PARTITION (p0, p1) u WHERE u.secret = ?', 'usr u', 'u.secret searched'],
  ["usr FOR SYSTEM_TIME AS OF TIMESTAMP '2020-01-01' u WHERE u.secret = ?", 'usr u', 'u.secret searched'],
  ['usr FOR SYSTEM_TIME BETWEEN ? AND ? u WHERE u.secret = ?', 'usr u', 'u.secret searched'],
  ['usr FOR SYSTEM_TIME FROM ? TO ? u WHERE u.secret = ?', 'usr u', 'u.secret searched'],
  ['usr FOR SYSTEM_TIME ALL u WHERE u.secret = ?', 'usr u', 'u.secret searched'],
  ['usr u USE INDEX (a, b) WHERE u.secret = ?', 'usr u', 'u.secret searched'],
  [
    'usr u FORCE KEY FOR JOIN (a) IGNORE INDEX FOR ORDER BY (b), (c) WHERE u.secret = ?',
    'usr u',
    'u.secret searched',
  ],
  ['usr u USE INDEX FOR GROUP BY (a), (b), (c) WHERE u.secret = ?', 'usr u', 'u.secret searched'],
  ['usr USE INDEX () WHERE secret = ?', 'usr', 'secret searched'],
  ['usr u NOT INDEXED WHERE u.secret = ?', 'usr u', 'u.secret searched'],
  ['usr u INDEXED BY "i" WHERE u.secret = ?', 'usr u', 'u.secret searched'],
  ['usr u TABLESAMPLE system(10) REPEATABLE (1) WHERE u.secret = ?', 'usr u', 'u.secret searched'],
  ['usr u TABLESAMPLE BERNOULLI (10) WHERE u.secret = ?', 'usr u', 'u.secret searched'],
  // Qualified names.
  ['public.usr WHERE public.usr.secret = ?', 'usr', 'public.usr.secret searched'],
  ['public.usr WHERE usr.secret = ?', 'usr', 'usr.secret searched'],
  ['usr WHERE public.usr.secret = ?', 'usr', 'public.usr.secret searched'],
  ['db.public.usr WHERE secret = ?', 'usr', 'secret searched'],
  [
    'legacy.member l, member m WHERE l.secret = ? OR m.secret = ?',
    'legacy.member l, member m',
    'm.secret searched',
  ],
  // An alias hides the name of its table, and the reader does not guess what stands for another.
  ['public.usr WHERE other.usr.secret = ?', 'usr', 'other.usr.secret unplaced'],
  ['usr u WHERE usr.secret = ?', 'usr u', 'usr.secret unplaced'],
  ['usr u WHERE public.u.secret = ?', 'usr u', 'public.u.secret unplaced'],
  ['usr u, member m WHERE x.secret = ?', 'usr u, member m', 'x.secret unplaced', 'x.secret unplaced'],
  ['usr u WHERE x.name = ? OR x.nothing = ?', 'usr u'],
]

describe.each(databases)('FROM, on %s', (database) => {
  test.each(cases)('%s', (from, tables, ...uses) => {
    const { text, statement } = readIn(database, `SELECT 1 FROM ${from}`)
    const named = statement.tables.map(({ table: { path }, alias }) => {
      const name = path.join('.')
      return path.at(-1) === alias ? name : `${name} ${alias}`
    })
    expect(named.sort()).toEqual(tables.split(', ').sort())
    expect(usesIn(text, statement)).toEqual(uses)
  })

  test.each([
    'SELECT 1 FROM‸',
    'SELECT 1 FROM ‸5',
    'SELECT 1 FROM usr, ‸,',
    'SELECT 1 FROM plain p LEFT ‸usr',
    'SELECT 1 FROM plain p NATURAL ‸WHERE 1',
    'SELECT 1 FROM plain p JOIN usr u USING (id ‸WHERE',
    'SELECT 1 FROM plain p JOIN usr u ‸USING WHERE',
    'SELECT 1 FROM (usr u‸',
    'SELECT 1 FROM usr u, f(u.secret) WITH ‸x',
    'SELECT 1 FROM usr u USE ‸(a) WHERE u.secret = ?',
    'SELECT 1 FROM usr u USE INDEX ‸a',
    'SELECT 1 FROM usr u INDEXED BY‸',
    'SELECT 1 FROM usr PARTITION (p0 ‸p1)',
    'SELECT 1 FROM usr AS ‸?',
    'SELECT 1 FROM usr u (a, b‸',
    'SELECT 1 FROM f(1) AS (secret int‸',
  ])('what it cannot read: %s', (sql) => {
    expect(unreadableIn(database, sql.replace('‸', ''))).toBe(inDialect(database, sql))
  })

  test('tables that are written to are among them', () => {
    const tables = (sql: string) =>
      readIn(database, sql).statement.tables.map(({ table: { path }, alias }) => `${path.join('.')} ${alias}`)
    expect(tables('INSERT INTO usr AS "u" (id) VALUES (?)')).toEqual(['usr u'])
    // What was to be inserted is no table.
    expect(tables('INSERT INTO usr (id) VALUES (?) ON CONFLICT (id) DO UPDATE SET id = ?')).toEqual([
      'usr usr',
    ])
    expect(tables('UPDATE usr u SET id = ? FROM plain')).toEqual(['usr u', 'plain plain'])
    expect(tables('DELETE FROM u USING usr u JOIN plain p ON TRUE')).toEqual(['usr u', 'plain p'])
    expect(tables('DELETE FROM usr USING plain')).toEqual(['usr usr', 'plain plain'])
    expect(tables('DELETE FROM usr u USING plain')).toEqual(['usr u', 'plain plain'])
    expect(tables('WITH usr AS (SELECT 1) DELETE FROM usr')).toEqual(['usr usr'])
    expect(tables('WITH usr AS (SELECT 1) SELECT 1 FROM usr')).toEqual([])
    expect(tables('WITH usr AS (SELECT 1) SELECT 1 FROM public.usr')).toEqual(['usr usr'])
  })

  test('the last of several joins ends where an upsert begins', () => {
    const sql = 'INSERT INTO usr (id, name) SELECT p.id, p.name FROM plain p JOIN member m ON TRUE'
    for (const tail of ['ON CONFLICT (id) DO NOTHING', 'ON DUPLICATE KEY UPDATE name = ?'])
      expect(readIn(database, `${sql} ${tail}`).statement.tables).toHaveLength(3)
    for (const tail of ['ON CONFLICT (id) DO NOTHING', 'ON DUPLICATE KEY UPDATE name = ?'])
      expect(
        readIn(database, `INSERT INTO usr (id) SELECT id FROM plain ${tail}`).statement.tables,
      ).toHaveLength(2)
  })
})
