import { databases, inDialect, readerOf, readIn, unreadableIn, usesIn } from './support'

/** Statements with `"names"` and `?`, and the uses of encrypted columns. */
const queries: [sql: string, ...uses: string[]][] = [
  // Words in front of the items, and columns that are called so.
  ['SELECT ALL secret FROM usr', 'secret selected'],
  ['SELECT DISTINCT secret FROM usr', 'secret grouped'],
  ['SELECT DISTINCTROW secret FROM usr', 'secret grouped'],
  ['SELECT DISTINCTROW id, secret FROM usr', 'secret grouped-by-key'],
  ['SELECT SQL_NO_CACHE HIGH_PRIORITY SQL_BUFFER_RESULT STRAIGHT_JOIN secret FROM usr', 'secret selected'],
  ['SELECT distinct, secret FROM usr', 'secret selected'],
  ['SELECT distinct.secret FROM usr "distinct"', 'distinct.secret selected'],
  ['SELECT distinct = 1, secret FROM usr', 'secret selected'],
  ['SELECT distinct FROM usr WHERE secret = ?', 'secret searched'],
  ['SELECT distinct AS d, secret FROM usr', 'secret selected'],
  ['SELECT FROM usr WHERE secret = ?', 'secret searched'],
  ['SELECT u.secret'],
  // Rows that go elsewhere.
  ['SELECT secret INTO "x" FROM usr', 'secret raw-value'],
  ['SELECT secret FROM usr INTO "x"', 'secret raw-value'],
  ['SELECT (SELECT u.secret INTO "x") FROM usr u', 'u.secret raw-value'],
  ['SELECT secret FROM usr INTO "x";', 'secret raw-value'],
  // Groups.
  [
    'SELECT 1 FROM usr GROUP BY ALL id HAVING secret = ? ORDER BY secret',
    'secret searched',
    'secret ordered',
  ],
  ['SELECT 1 FROM usr GROUP BY DISTINCT id HAVING secret = ?', 'secret searched'],
  ['SELECT 1 FROM usr GROUP BY secret WITH ROLLUP HAVING name = ?', 'secret grouped'],
  ['SELECT 1 FROM usr GROUP BY id DESC, secret ASC HAVING id = ?', 'secret grouped-by-key'],
  // Order.
  ['SELECT 1 FROM usr GROUP BY id, secret || 1', 'secret grouped'],
  ['SELECT id AS secret FROM usr ORDER BY secret || 1', 'secret ordered'],
  ['SELECT 1 FROM usr ORDER BY name USING >, secret', 'secret ordered'],
  ['SELECT 1 FROM usr ORDER BY name ASC NULLS LAST, secret DESC NULLS FIRST', 'secret ordered'],
  ['SELECT 1 FROM usr GROUP BY id WITH ROLLUP ORDER BY secret WITH ROLLUP LIMIT 1', 'secret ordered'],
  // What an item is called is that of the rows, and a column of the table where there is one.
  ['SELECT name AS secret FROM usr GROUP BY secret', 'secret grouped'],
  ['SELECT secret AS name FROM usr HAVING name = ?', 'secret selected', 'name searched'],
  ['SELECT secret AS name FROM usr WHERE name = ?', 'secret selected'],
  ['SELECT secret AS name FROM usr ORDER BY name', 'secret selected', 'name ordered'],
  ['SELECT secret AS name FROM usr ORDER BY name || 1', 'secret selected', 'name ordered'],
  ['SELECT (SELECT secret FROM usr) AS s FROM plain HAVING s = ?', 'secret selected', 's searched'],
  ['SELECT 1 AS s FROM plain HAVING s = ?'],
  // Windows.
  [
    'SELECT 1 FROM usr WINDOW w AS (PARTITION BY secret), v AS (w ORDER BY raw_secret)',
    'secret grouped',
    'raw_secret ordered',
  ],
  // What can stand in place of SELECT.
  ['VALUES (?, ?), (1, 2)'],
  ['VALUES ROW(1), ROW((SELECT secret FROM usr))', 'secret computed'],
  ['VALUES ()'],
  ['VALUES ((SELECT secret FROM usr))', 'secret computed'],
  ['TABLE usr', 'TABLE selected', 'TABLE selected'],
  ['TABLE member ORDER BY secret', 'TABLE selected', 'secret ordered'],
  ['SELECT 1 FROM (TABLE member) d WHERE d.secret = ?', 'TABLE selected', 'd.secret searched'],
  ['SELECT 1 WHERE EXISTS (TABLE member)', 'TABLE selected'],
  ['SELECT 1 WHERE ? IN (TABLE member)', 'TABLE searched'],
  // The table may be qualified, and what else stands behind a query may follow.
  ['SELECT 1 WHERE ? IN (TABLE public.member)', 'TABLE searched'],
  ['SELECT 1 WHERE ? IN (TABLE member ORDER BY secret)', 'TABLE searched', 'secret ordered'],
  ['INSERT INTO plain (TABLE public.member)', 'TABLE raw-value'],
  // Set operations: all but UNION ALL compare rows.
  ['SELECT secret FROM usr UNION ALL SELECT name FROM plain', 'secret selected'],
  ['SELECT secret FROM usr UNION DISTINCT SELECT name FROM plain', 'secret grouped'],
  ['SELECT secret FROM usr EXCEPT SELECT name FROM plain', 'secret grouped'],
  ['SELECT secret FROM usr EXCEPT ALL SELECT name FROM plain', 'secret grouped'],
  ['SELECT secret FROM usr MINUS SELECT name FROM plain', 'secret grouped'],
  [
    'SELECT name FROM plain UNION ALL SELECT secret FROM usr UNION SELECT secret FROM member',
    'secret grouped',
    'secret grouped',
  ],
  [
    '(SELECT secret FROM usr UNION SELECT name FROM plain) UNION ALL SELECT name FROM plain',
    'secret grouped',
  ],
  ['(SELECT secret FROM usr) UNION ALL (SELECT name FROM plain) LIMIT 1', 'secret selected'],
  ['SELECT 1 WHERE ? IN ((SELECT secret FROM usr) UNION SELECT 1)', 'secret searched'],
  [
    'SELECT secret AS s FROM usr UNION ALL SELECT secret FROM member ORDER BY s',
    'secret selected',
    'secret selected',
    's ordered',
    's ordered',
  ],
  [
    'SELECT id, secret FROM usr UNION ALL SELECT id, secret FROM member ORDER BY 2',
    'secret selected',
    'secret selected',
    '2 ordered',
    '2 ordered',
  ],
  ['SELECT id AS secret FROM usr UNION ALL SELECT id FROM member ORDER BY secret'],
  // Common table expressions.
  [
    'WITH c AS MATERIALIZED (SELECT secret FROM usr), d (x) AS NOT MATERIALIZED (SELECT * FROM c) SELECT x FROM d',
    'secret selected',
    '* selected',
    'x selected',
  ],
  [
    'WITH c AS (SELECT secret FROM usr UNION SELECT name FROM plain) SELECT * FROM c',
    'secret grouped',
    '* selected',
  ],
  [
    'WITH c AS (DELETE FROM usr WHERE secret = ? RETURNING raw_secret) SELECT raw_secret FROM c',
    'secret searched',
    'raw_secret selected',
    'raw_secret selected',
  ],
  [
    'WITH c AS (UPDATE usr SET name = ? WHERE secret = ? RETURNING secret AS s, *) SELECT s FROM c',
    'secret searched',
    'secret selected',
    '* selected',
    '* selected',
    's selected',
  ],
  [
    'WITH c AS (INSERT INTO usr (secret) VALUES (?) RETURNING secret) SELECT secret FROM c',
    'secret target',
    'secret selected',
    'secret selected',
  ],
  ['WITH c AS (REPLACE INTO usr (secret) VALUES (?)) SELECT 1', 'secret target'],
  [
    'WITH c AS (WITH d AS (SELECT secret FROM usr) SELECT secret FROM d) SELECT secret FROM c',
    'secret selected',
    'secret selected',
    'secret selected',
  ],
  [
    'WITH c AS (WITH d AS (SELECT secret AS s FROM usr) DELETE FROM member WHERE secret IN (SELECT s FROM d)) SELECT 1',
    'secret selected',
    'secret searched',
    's searched',
  ],
  [
    'WITH RECURSIVE c (n) AS (SELECT secret FROM usr UNION ALL SELECT n FROM c) SELECT n FROM c',
    'secret selected',
    'n selected',
    'n selected',
  ],
  [
    'SELECT 1 FROM (WITH c AS (SELECT secret FROM usr) SELECT secret FROM c) d WHERE d.secret = ?',
    'secret selected',
    'secret selected',
    'd.secret searched',
  ],
  [
    'WITH c AS (SELECT secret FROM usr) UPDATE plain SET name = (SELECT secret FROM c)',
    'secret selected',
    'secret raw-value',
  ],
  // Names of items.
  ['SELECT u.secret AS \'s\', u.raw_secret AS "r" FROM usr u', 'u.secret selected', 'u.raw_secret selected'],
  ['SELECT u.secret "s", u.raw_secret r FROM usr u', 'u.secret selected', 'u.raw_secret selected'],
  // Statements that write.
  ['DELETE FROM usr WHERE secret = ? RETURNING raw_secret', 'secret searched', 'raw_secret selected'],
  ['DELETE FROM usr u USING plain p WHERE u.secret = ?', 'u.secret searched'],
  ['DELETE FROM usr WHERE CURRENT OF secret RETURNING secret', 'secret selected'],
  ['DELETE FROM usr ORDER BY secret LIMIT 1', 'secret ordered'],
  ['DELETE LOW_PRIORITY QUICK IGNORE FROM usr WHERE secret = ?', 'secret searched'],
  ['DELETE u, p FROM usr u JOIN plain p ON u.secret = ?', 'u.secret searched'],
  ['DELETE u.*, p.* FROM usr u JOIN plain p ON u.secret = ?', 'u.secret searched'],
  ['UPDATE LOW_PRIORITY IGNORE usr SET secret = ?', 'secret target'],
  ['UPDATE OR IGNORE usr SET secret = ?', 'secret target'],
  ['UPDATE usr SET secret = ? RETURNING WITH (OLD AS o) secret, name', 'secret target', 'secret selected'],
  ['UPDATE usr SET name = ? RETURNING with, secret', 'secret selected'],
  [
    'UPDATE usr SET name = ? WHERE secret = ? ORDER BY raw_secret LIMIT 1',
    'secret searched',
    'raw_secret ordered',
  ],
]

/** What stands behind a query and says nothing of columns. */
const tails = [
  'LIMIT ALL OFFSET 5',
  'LIMIT 5, 10',
  'LIMIT ? OFFSET ?',
  'OFFSET 1 ROW',
  'OFFSET 1 ROWS FETCH FIRST 10 ROWS ONLY',
  'FETCH NEXT ROW WITH TIES',
  'FOR UPDATE',
  'FOR NO KEY UPDATE',
  'FOR KEY SHARE',
  'FOR SHARE OF u, p NOWAIT',
  'FOR UPDATE OF u SKIP LOCKED FOR SHARE',
  'FOR UPDATE WAIT 5',
  'LOCK IN SHARE MODE',
  'LIMIT 1 FOR UPDATE',
  ';',
  ';;',
]

describe.each(databases)('What queries are made of, on %s', (database) => {
  test.each(queries)('%s', (sql, ...uses) => {
    const { text, statement } = readIn(database, sql)
    expect(usesIn(text, statement).map((use) => use.replace(/["`]/g, ''))).toEqual(uses)
  })

  test.each(tails)('SELECT … %s', (tail) => {
    const { text, statement } = readIn(database, `SELECT 1 FROM usr u WHERE u.secret = ? ${tail}`)
    expect(usesIn(text, statement)).toEqual(['u.secret searched'])
    const inside = readIn(
      database,
      `SELECT 1 WHERE EXISTS (SELECT u.secret FROM usr u ${tail.replace(/;/g, '')})`,
    )
    expect(usesIn(inside.text, inside.statement)).toEqual(['u.secret selected'])
  })

  test.each([
    'SELECT 1 FROM usr u ORDER BY u.name NULLS‸',
    'SELECT 1 FROM usr u FETCH FIRST 10 ROWS‸',
    'SELECT 1 FROM usr u FOR KEY ‸UPDATE',
    'SELECT 1 FROM usr u FOR NO KEY ‸SHARE',
    'SELECT 1 FROM usr u FOR ‸DELETE',
    'SELECT 1 FROM usr u ‸LOCK IN SHARE',
    'SELECT 1 FROM usr u WINDOW w ‸(PARTITION BY u.secret)',
    'VALUES (1 ‸2)',
    'VALUES ‸1',
    'SELECT 1 UNION ALL‸',
    'SELECT 1 LIMIT 1 ‸UNION ALL SELECT 1',
    '(SELECT 1‸',
    'SELECT u.secret, FROM usr ‸u',
    'SELECT DISTINCT ON (u.id ‸FROM usr u',
    'WITH c AS NOT ‸(SELECT 1) SELECT 1',
    'WITH c (SELECT ‸1) SELECT 1',
    'WITH c AS ‸SELECT 1',
    'WITH c AS (SELECT 1‸',
    'WITH c AS (‸GRANT) SELECT 1',
    'WITH c AS (SELECT 1) ‸GRANT',
    '‸EXPLAIN SELECT 1',
    'SELECT 1; ‸SELECT 1',
    'UPDATE usr secret ‸= ?',
    'UPDATE usr SET secret = ? WHERE CURRENT OF ‸',
    'DELETE usr ‸WHERE id = ?',
    'DELETE usr.‸? FROM usr',
    'DELETE FROM ‸',
  ])('what it cannot read: %s', (sql) => {
    expect(unreadableIn(database, sql.replace('‸', ''))).toBe(inDialect(database, sql))
  })

  test.each<[string, string[]]>([
    ['SELECT id, secret AS s, name n FROM usr', ['id: usr.id', 's: usr.secret', 'n: usr.name']],
    ['SELECT 1, 1 AS one, lower(name) FROM usr', ['-', 'one', '-']],
    ['SELECT p.*, u.id FROM pair p, usr u', ['a: p.a', 'b: p.b', 'secret: p.secret', 'id: u.id']],
    [
      'SELECT * FROM pair, member',
      ['a: pair.a', 'b: pair.b', 'secret: pair.secret', 'id: member.id', 'secret: member.secret'],
    ],
    ['TABLE pair', ['a: pair.a', 'b: pair.b', 'secret: pair.secret']],
    ['SELECT nothing.* FROM usr', []],
    ['SELECT (SELECT secret FROM usr) AS s FROM plain', ['s: (8)/usr.secret']],
    ['SELECT id AS i FROM usr UNION SELECT name FROM plain UNION SELECT 1', ['i: usr.id plain.name']],
    ['WITH c AS (SELECT id AS i FROM usr) SELECT c.* FROM c', ['i: c/usr.id']],
    ['WITH c (x, y) AS (SELECT id, name AS n FROM usr) SELECT * FROM c', ['x: c/usr.id', 'y: c/usr.name']],
    ['WITH c (x) AS (SELECT id, name AS n FROM usr) SELECT * FROM c', ['x: c/usr.id', 'n: c/usr.name']],
    [
      'SELECT d.* FROM usr AS d (a, b)',
      ['a: d.id', 'b: d.name', 'score: d.score', 'secret: d.secret', 'raw_secret: d.raw_secret'],
    ],
    ['SELECT d.y FROM (SELECT id, name FROM usr) AS d (x, y)', ['y: d/usr.name']],
    ['DELETE FROM usr RETURNING id, secret AS s', ['id: usr.id', 's: usr.secret']],
    ['UPDATE usr u SET name = ? RETURNING u.id, name', ['id: u.id', 'name: u.name']],
    ['INSERT INTO pair (a) VALUES (?) RETURNING *', ['a: pair.a', 'b: pair.b', 'secret: pair.secret']],
    [
      'INSERT INTO pair (a) VALUES (?) ON CONFLICT (a) DO UPDATE SET b = EXCLUDED.b RETURNING *',
      ['a: pair.a', 'b: pair.b', 'secret: pair.secret'],
    ],
    ['UPDATE usr SET name = ?', []],
  ])('the results of %s', (sql, expected) => {
    const { statement } = readIn(database, sql)
    expect(
      statement.results.map(({ name = '-', sources }) => {
        const from = sources.map(({ row, column }) => `${row}.${column.name}`).join(' ')
        return from === '' ? name : `${name}: ${from}`
      }),
    ).toEqual(expected)
  })

  test.each([
    ['SELECT 1 FROM usr', 'select'],
    ['(SELECT 1 FROM usr)', 'select'],
    ['VALUES (1)', 'select'],
    ['TABLE usr', 'select'],
    ['WITH c AS (DELETE FROM usr) SELECT 1', 'select'],
    ['INSERT INTO usr VALUES (?)', 'insert'],
    ['REPLACE INTO usr VALUES (?)', 'insert'],
    ['UPDATE usr SET id = ?', 'update'],
    ['DELETE FROM usr', 'delete'],
    ['WITH c AS (SELECT 1) DELETE FROM usr', 'delete'],
    ['GRANT', 'other'],
  ])('%s is of the kind %s', (sql, kind) => {
    expect(readerOf(database).read(inDialect(database, sql))[0].kind).toBe(kind)
  })

  test.each<[string, [string, string, number[]] | undefined]>([
    [
      'UPDATE usr SET name = ? WHERE id = ? AND secret IN (?, ?)',
      ['usr', 'id = ? AND secret IN (?, ?)', [1, 2, 3]],
    ],
    ['UPDATE "usr" AS u SET name = ? WHERE u.id = 1 RETURNING id', ['"usr" AS u', 'u.id = 1', []]],
    ['UPDATE OR IGNORE usr SET name = ? WHERE id = ?;', ['usr', 'id = ?', [1]]],
    // More than the condition says which rows are changed, or nothing does.
    ['UPDATE usr SET name = ?', undefined],
    ['UPDATE usr SET name = ? WHERE CURRENT OF c', undefined],
    ['UPDATE usr SET name = ? WHERE id = ? LIMIT 1', undefined],
    ['UPDATE usr SET name = ? WHERE id = ? ORDER BY id', undefined],
    ['UPDATE usr SET name = ? FROM plain WHERE usr.id = ?', undefined],
    ['UPDATE usr, plain SET name = ? WHERE id = ?', undefined],
    ['UPDATE usr JOIN plain ON TRUE SET name = ? WHERE id = ?', undefined],
    ['WITH c AS (UPDATE usr SET name = ? WHERE id = ?) SELECT 1', undefined],
    ['WITH c AS (UPDATE usr SET name = ? WHERE id = ?) UPDATE usr SET name = ? WHERE id = ?', undefined],
    ['DELETE FROM usr WHERE id = ?', undefined],
  ])('which rows are changed by %s', (sql, expected) => {
    const { text, statement } = readIn(database, sql)
    const { updated } = statement
    const slice = (span: readonly [number, number]): string => text.slice(...span).replace(/\$\d/g, '?')
    expect(
      updated && [
        slice(updated.table),
        slice(updated.condition.span),
        updated.condition.placeholders.map(({ index }) => index),
      ],
    ).toEqual(expected && [inDialect(database, expected[0]), expected[1], expected[2]])
    for (const { span } of updated?.condition.placeholders ?? []) expect(slice(span)).toBe('?')
  })
})
