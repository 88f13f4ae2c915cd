import {
  type Database,
  databases,
  inDialect,
  insertIn,
  readIn,
  readerOf,
  table,
  unreadableIn,
  usesIn,
} from './support'

type Case = [sql: string, insert: Record<string, unknown>, uses?: string[]]

const secret = { into: 'usr', columns: ['secret'], rows: ['?0'] }

/** Statements with `"names"` and `?`, what the INSERT says, and the uses of encrypted columns if more than its list has some. */
const inserts: Case[] = [
  [
    'INSERT INTO usr (id, "secret") VALUES (?, ?)',
    { into: 'usr', columns: ['id', 'secret'], rows: ['?0 ?1'] },
  ],
  [
    'INSERT INTO usr (id, secret) VALUES (1, ?), (-2, ?), (3, ?), (NULL, ?), (DEFAULT, ?)',
    {
      into: 'usr',
      columns: ['id', 'secret'],
      rows: ['1/-2/3 ?0, 3 times, each 1 further', 'NULL ?3', 'DEFAULT ?4'],
    },
  ],
  [
    'INSERT INTO usr (id, secret) VALUES (?, (?))',
    { into: 'usr', columns: ['id', 'secret'], rows: ['?0 ?1'] },
  ],
  [
    'INSERT INTO usr (id, secret) VALUES (?, ? + 1)',
    { into: 'usr', columns: ['id', 'secret'], rows: ['?0 …'] },
    ['secret raw-value'],
  ],
  [
    'INSERT INTO usr (secret, raw_secret) VALUES (?, secret), (lower(secret), ?)',
    { into: 'usr', columns: ['secret', 'raw_secret'], rows: ['?0 …', '… ?1'] },
    ['secret raw-value', 'raw_secret raw-value', 'secret raw-value', 'secret raw-value by LOWER'],
  ],
  ['INSERT INTO usr (usr.secret) VALUES (?)', secret, ['usr.secret target']],
  ['INSERT INTO usr (secret) VALUES ROW(?), ROW(?)', { ...secret, rows: ['?0, 2 times, each 1 further'] }],
  ['INSERT INTO usr VALUES (?, ?)', { into: 'usr', rows: ['?0 ?1'] }, []],
  ['INSERT INTO usr VALUES (1, lower(?), ?)', { into: 'usr', rows: ['1 … ?1'] }, []],
  ['INSERT INTO usr () VALUES ()', { into: 'usr', columns: [], rows: [''] }, []],
  ['INSERT INTO usr DEFAULT VALUES', { into: 'usr' }, []],
  ['REPLACE INTO usr (secret) VALUES (?)', secret],
  ['INSERT usr (secret) VALUE (?)', secret],
  // What is not in the catalogue.
  ['INSERT INTO nowhere (id) VALUES (?)', { into: undefined, columns: ['id'], rows: ['?0'] }, []],
  ['INSERT INTO usr (nothing) VALUES (?)', { into: 'usr', columns: ['nothing'], rows: ['?0'] }, []],
  // Rows of a query.
  [
    'INSERT INTO usr (id, secret) SELECT id, name FROM plain',
    { into: 'usr', columns: ['id', 'secret'], isFromQuery: true },
  ],
  [
    'INSERT INTO usr (id, secret) (SELECT id, name FROM plain)',
    { into: 'usr', columns: ['id', 'secret'], isFromQuery: true },
  ],
  ['INSERT INTO usr (SELECT secret FROM usr)', { into: 'usr', isFromQuery: true }, ['secret raw-value']],
  [
    'INSERT INTO plain (id, secret) WITH c AS (SELECT secret FROM usr) SELECT 1, secret FROM c',
    { into: 'plain', columns: ['id', 'secret'], isFromQuery: true },
    ['secret selected', 'secret raw-value'],
  ],
  // Words around the table.
  [
    'INSERT INTO usr AS u (secret) VALUES (?) RETURNING u.secret',
    secret,
    ['secret target', 'u.secret selected'],
  ],
  [
    'INSERT INTO usr "u" (secret) VALUES (?) RETURNING "u".secret',
    secret,
    ['secret target', '"u".secret selected'],
  ],
  ['INSERT INTO usr PARTITION (p0, p1) (secret) VALUES (?)', secret],
  ['INSERT INTO usr * (secret) VALUES (?)', secret],
  ['INSERT INTO ONLY usr (secret) VALUES (?)', secret],
  ['INSERT INTO usr (secret) OVERRIDING SYSTEM VALUE VALUES (?)', secret],
  ['INSERT INTO usr (secret) OVERRIDING USER VALUE VALUES (?)', secret],
  ['INSERT LOW_PRIORITY INTO usr (secret) VALUES (?)', secret],
  ['INSERT DELAYED usr (secret) VALUES (?)', secret],
  ['INSERT HIGH_PRIORITY usr (secret) VALUES (?)', secret],
  // Rows that may be left as they are.
  ...['LOW_PRIORITY IGNORE', 'IGNORE HIGH_PRIORITY', 'OR IGNORE'].map((words): Case => [
    `INSERT ${words} INTO usr (secret) VALUES (?)`,
    { ...secret, mayBeIgnored: true },
  ]),
  ...['REPLACE', 'ABORT', 'FAIL', 'ROLLBACK'].map((word): Case => [
    `INSERT OR ${word} INTO usr (secret) VALUES (?)`,
    secret,
  ]),
  ['INSERT INTO usr (secret) VALUES (?) ON CONFLICT DO NOTHING', { ...secret, mayBeIgnored: true }],
  [
    'INSERT INTO usr (secret) VALUES (?) ON CONFLICT (id) WHERE raw_secret IS NULL DO NOTHING',
    { ...secret, mayBeIgnored: true },
    ['secret target', 'raw_secret null-test'],
  ],
  [
    'INSERT INTO usr (secret) VALUES (?) ON CONFLICT (id) DO NOTHING ON CONFLICT (name) DO UPDATE SET name = ?',
    { ...secret, conflict: ['name'], at: ['name'], mayBeIgnored: true },
  ],
  // Rows that are updated instead, by the key that matches.
  ...(
    [
      ['(id)', { conflict: ['id'], at: ['id'] }],
      ['(id, name)', { conflict: ['id', 'name'], at: ['id', 'name'] }],
      ['', { conflict: 'some key' }],
      ['ON CONSTRAINT "pk"', { conflict: 'some key' }],
      ['((name))', { conflict: 'some key' }],
      ['(lower(name))', { conflict: 'some key' }],
      ['(id, lower(name))', { conflict: 'some key' }],
      ['(1)', { conflict: 'some key' }],
      ['(name COLLATE "C")', { conflict: 'some key' }],
      ['(name COLLATE "C", id)', { conflict: 'some key' }],
    ] as const
  ).map(([key, conflict]): Case => [
    `INSERT INTO usr (secret) VALUES (?) ON CONFLICT ${key} DO UPDATE SET secret = EXCLUDED.secret`,
    { ...secret, ...conflict },
    ['secret target', 'secret target', 'EXCLUDED.secret itself'],
  ]),
  [
    'INSERT INTO usr (secret) VALUES (?) ON CONFLICT (lower(secret)) WHERE raw_secret = ? DO UPDATE SET name = ? WHERE usr.secret = ?',
    { ...secret, conflict: 'some key' },
    ['secret target', 'secret searched by LOWER', 'raw_secret searched', 'usr.secret searched'],
  ],
  [
    'INSERT INTO usr (id) VALUES (?) ON DUPLICATE KEY UPDATE secret = VALUES(secret)',
    { into: 'usr', columns: ['id'], rows: ['?0'], conflict: 'some key' },
    ['secret target'],
  ],
]

describe.each(databases)('What an INSERT says, on %s', (database) => {
  test.each(inserts)('%s', (sql, expected, ...[uses]) => {
    const { text, statement } = readIn(database, sql)
    expect(statement.kind).toBe('insert')
    expect(statement.inserts.map((insert) => insertIn(text, insert))).toEqual([expected])
    const found = usesIn(text, statement)
    if (uses) expect(found).toEqual(uses.map((use) => inDialect(database, use)))
    else expect(found.map((use) => use.replace(/["`]/g, ''))).toEqual(['secret target'])
  })

  test.each([
    'INSERT INTO ‸',
    'INSERT OR ‸NOTHING INTO usr (secret) VALUES (?)',
    'INSERT INTO usr (secret‸[1]) VALUES (?)',
    'INSERT INTO usr (id ‸secret) VALUES (?)',
    'INSERT INTO usr (id, ‸?) VALUES (?)',
    'INSERT INTO usr (id, secret) VALUES (? ‸?)',
    'INSERT INTO usr (id, secret) VALUES ‸?',
    'INSERT INTO usr (id, secret)‸',
    'INSERT INTO usr (secret) ‸DEFAULT',
    'INSERT INTO usr PARTITION (p0 ‸secret) VALUES (?)',
    'INSERT INTO usr AS ‸(secret) VALUES (?)',
    'INSERT INTO usr (secret) OVERRIDING ‸VALUE VALUES (?)',
    'INSERT INTO usr (secret) OVERRIDING USER ‸VALUES (?)',
    'INSERT INTO usr (secret) VALUES (?) ‸ON NOTHING',
    'INSERT INTO usr (secret) VALUES (?) ‸ON DUPLICATE KEY SET secret = ?',
    'INSERT INTO usr (secret) VALUES (?) ON CONFLICT ‸NOTHING',
    'INSERT INTO usr (secret) VALUES (?) ON CONFLICT (id ‸DO NOTHING',
    'INSERT INTO usr (secret) VALUES (?) ON CONFLICT ON CONSTRAINT ‸?',
    'INSERT INTO usr (secret) VALUES (?) ON CONFLICT DO ‸DELETE',
    'INSERT INTO usr (secret) VALUES (?) ON CONFLICT DO UPDATE ‸secret = ?',
    'INSERT INTO usr (secret) VALUES (?) AS ‸(a)',
  ])('what it cannot read: %s', (sql) => {
    expect(unreadableIn(database, sql.replace('‸', ''))).toBe(inDialect(database, sql))
  })
})

describe('The row that MySQL was to insert', () => {
  const uses = (sql: string): string[] => {
    const { text, statement } = readIn('mysql', sql)
    return usesIn(text, statement).slice(1)
  }
  const insert = 'INSERT INTO usr (id, secret) VALUES (?, ?)'

  test.each<[string, string[]]>([
    [`${insert} AS n ON DUPLICATE KEY UPDATE secret = n.secret`, ['secret target', 'n.secret itself']],
    // Without names of its own it is found by its alias only.
    [`${insert} AS n ON DUPLICATE KEY UPDATE name = secret`, ['secret computed']],
    [
      `${insert} AS n (a, b) ON DUPLICATE KEY UPDATE name = b, score = n.b, city = a`,
      ['b computed', 'n.b computed'],
    ],
    [`${insert} AS n (a, b) ON DUPLICATE KEY UPDATE secret = b`, ['secret raw-value', 'b raw-value']],
    // What the column list does not have keeps its name.
    [`${insert} AS n (a, b) ON DUPLICATE KEY UPDATE name = n.raw_secret`, ['n.raw_secret computed']],
    [
      'INSERT INTO usr (secret, id) VALUES (?, ?) AS n (a, b) ON DUPLICATE KEY UPDATE name = a, score = b',
      ['a computed'],
    ],
  ])('%s', (sql, expected) => {
    expect(uses(sql)).toEqual(expected)
  })

  test('has the names of the table, in its order, where there is no column list', () => {
    const { text, statement } = readIn(
      'mysql',
      'INSERT INTO usr VALUES (?, ?, ?, ?, ?) AS n (a, b, c, d, e) ON DUPLICATE KEY UPDATE name = d, score = n.e, city = c',
    )
    expect(usesIn(text, statement)).toEqual(['d computed', 'n.e computed'])
  })

  test('is of no column where the table is not known', () => {
    const sql =
      'INSERT INTO nowhere (id, secret) VALUES (?, ?) AS n (a, b) ON DUPLICATE KEY UPDATE name = b, score = n.secret, city = (SELECT u.secret FROM usr u)'
    const { text, statement } = readIn('mysql', sql)
    expect(usesIn(text, statement)).toEqual(['u.secret raw-value'])
  })
})

describe.each<Database>(databases)('Where the cells of rows end, on %s', (database) => {
  const reader = readerOf(database, {
    defaults: [],
    tables: [table('usr', 'id*@', 'name', 'mail!?', 'secret!')],
  })

  test('is kept for columns that are searched or located, of each row', () => {
    const sql = inDialect(
      database,
      'INSERT INTO usr (name, mail, nothing, id, secret) VALUES (?, ?, ?, 1, ?), (?, ?, ?, 22, ?), (?, NULL, ?, 3, lower(?))',
    )
    const [insert] = reader.read(sql)[0].inserts
    expect(
      insert?.runs.map(({ rows, ends }) => [
        rows,
        ...[...ends].map(([place, all]) => [
          place,
          ...all.map((end) =>
            sql
              .slice(0, end)
              .split(/[(,] ?/)
              .at(-1),
          ),
        ]),
      ]),
    ).toEqual([
      [2, [1, ...(database === 'postgres' ? ['$2', '$6'] : ['?', '?'])], [3, '1', '22']],
      [1, [1, 'NULL'], [3, '3']],
    ])
  })

  test('is kept for no other', () => {
    const ends = (sql: string) => reader.read(inDialect(database, sql))[0].inserts[0]?.runs[0]?.ends.size
    expect(ends('INSERT INTO usr (name, secret, nothing) VALUES (?, ?, ?)')).toBe(0)
    expect(ends('INSERT INTO usr VALUES (?, ?, ?, ?)')).toBe(0)
    expect(ends('INSERT INTO nowhere (id, mail) VALUES (?, ?)')).toBe(0)
  })
})
