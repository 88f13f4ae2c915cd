import { databases, inDialect, readIn, unreadableIn, usesIn, valueIn } from './support'

/** Behind SET: each assignment with what its column is set to, and the uses of encrypted columns. */
type Case = [set: string, assignments: [written: string, name: string, value: string][], uses: string[]]

const one = (set: string, value: string, ...uses: string[]): Case => [
  set,
  [[set, set.slice(0, set.search(/ :?=/)).replace(/^.*\./, ''), value]],
  uses,
]

const cases: Case[] = [
  one('secret = ?', '?0', 'secret target'),
  one('usr.secret = ?', '?0', 'usr.secret target'),
  one('secret = (?)', '?0', 'secret target'),
  one('secret = NULL', 'NULL', 'secret target'),
  one('secret = DEFAULT', 'DEFAULT', 'secret target'),
  one("secret = 'x'", '…', 'secret raw-value'),
  one("secret = ? || 'x'", '…', 'secret raw-value'),
  one('secret = (?, ?)', '…', 'secret raw-value'),
  one('secret = CURRENT_DATE', '…', 'secret raw-value'),
  one('secret = 7', '7', 'secret raw-value'),
  one('secret = -7', '-7', 'secret raw-value'),
  one('secret = (7)', '7', 'secret raw-value'),
  one('score = (7, 8)', '…'),
  one('score = - - 7', '…'),
  one('nothing = ?', '?0'),
  [
    'secret = ?, name = ?',
    [
      ['secret = ?', 'secret', '?0'],
      ['name = ?', 'name', '?1'],
    ],
    ['secret target'],
  ],
  // The column itself, and other columns.
  one('secret = secret', '= secret', 'secret target', 'secret itself'),
  one('secret = usr.secret', '= secret', 'secret target', 'usr.secret itself'),
  one('secret = (secret)', '= secret', 'secret target', 'secret itself'),
  one('name = name', '= name'),
  one('secret = raw_secret', '…', 'secret raw-value', 'raw_secret raw-value'),
  one('secret = secret || ?', '…', 'secret raw-value', 'secret raw-value'),
  one('secret = LOWER(secret)', '…', 'secret raw-value', 'secret raw-value by LOWER'),
  one('secret = *', '…', 'secret raw-value', '* raw-value', '* raw-value'),
  one('name = secret', '…', 'secret computed'),
  one('score = secret IS NULL', '…', 'secret null-test'),
  one('secret = (SELECT name FROM plain)', '…', 'secret raw-value'),
  one('secret = (SELECT x.secret FROM usr x)', '…', 'secret raw-value', 'x.secret raw-value'),
  one('name = (SELECT x.secret FROM usr x)', '…', 'x.secret raw-value'),
  // What an INSERT was to put into the same column.
  one('secret = VALUES(secret)', '= secret', 'secret target'),
  one('name = VALUES(name)', '= name'),
  one('secret = VALUES(raw_secret)', '…', 'secret raw-value', 'raw_secret raw-value by VALUES'),
  one('secret = VALUES(usr.secret)', '…', 'secret raw-value', 'usr.secret raw-value by VALUES'),
  one('secret = VALUES(secret, 1)', '…', 'secret raw-value', 'secret raw-value by VALUES'),
  one('secret = VALUES(secret) || ?', '…', 'secret raw-value', 'secret raw-value by VALUES'),
  one('secret = VALUES(secret) LIKE ?', '…', 'secret raw-value', 'secret raw-value by VALUES'),
  one('secret = VALUES(?)', '…', 'secret raw-value'),
  one('secret = (VALUES(secret))', '…', 'secret raw-value', 'secret raw-value by VALUES'),
  one(
    'secret = IF(name = ?, VALUES(secret), secret)',
    '…',
    'secret raw-value',
    'secret raw-value by VALUES',
    'secret raw-value by IF',
  ),
  // Several at once.
  [
    '(secret, name) = f(?)',
    [
      ['(secret, name) = f(?)', 'secret', '…'],
      ['(secret, name) = f(?)', 'name', '…'],
    ],
    ['secret raw-value'],
  ],
  [
    '(secret, name) = (?, ?), score = 1',
    [
      ['(secret, name) = (?', 'secret', '?0'],
      ['(secret, name) = (?, ?', 'name', '?1'],
      ['score = 1', 'score', '1'],
    ],
    ['secret target'],
  ],
  [
    '(name, secret) = ROW(?, secret)',
    [
      ['(name, secret) = ROW(?', 'name', '?0'],
      ['(name, secret) = ROW(?, secret', 'secret', '= secret'],
    ],
    ['secret target', 'secret itself'],
  ],
  [
    '(secret, name) = (lower(?), secret)',
    [
      ['(secret, name) = (lower(?)', 'secret', '…'],
      ['(secret, name) = (lower(?), secret', 'name', '…'],
    ],
    ['secret raw-value', 'secret computed'],
  ],
  [
    '(secret, name) = (SELECT raw_secret, name FROM usr), score = 1',
    [
      ['(secret, name) = (SELECT raw_secret, name FROM usr)', 'secret', '…'],
      ['(secret, name) = (SELECT raw_secret, name FROM usr)', 'name', '…'],
      ['score = 1', 'score', '1'],
    ],
    ['secret raw-value', 'raw_secret computed'],
  ],
]

describe.each(databases)('What columns are set to, on %s', (database) => {
  const assignmentsOf = (sql: string) => {
    const { text, statement } = readIn(database, sql)
    const assignments = statement.assignments.map(({ name, value, start, end, nameStart, nameEnd }) => {
      expect(text.slice(nameStart, nameEnd)).toBe(name)
      return [text.slice(start, end).replace(/\$\d/g, '?'), name, valueIn(text, value)]
    })
    return { assignments, uses: usesIn(text, statement) }
  }

  test.each(cases)('UPDATE usr SET %s', (set, assignments, uses) => {
    expect(assignmentsOf(`UPDATE usr SET ${set}`)).toEqual({ assignments, uses })
  })

  test.each([
    ['secret = pair.secret FROM pair', 'pair.secret'],
    ['secret = p.secret FROM pair p', 'p.secret'],
  ])('UPDATE usr SET %s: of another table it is another column', (set, source) => {
    const { assignments, uses } = assignmentsOf(`UPDATE usr SET ${set}`)
    expect(assignments).toEqual([[`secret = ${source}`, 'secret', '…']])
    expect(uses).toEqual(['secret raw-value', `${source} raw-value`])
  })

  test.each([
    ['UPDATE usr u, usr v SET u.secret = v.secret', '…', ['u.secret raw-value', 'v.secret raw-value']],
    ['UPDATE usr u, usr v SET u.secret = u.secret', '= secret', ['u.secret target', 'u.secret itself']],
    ['UPDATE usr u, usr v SET v.secret = v.secret', '= secret', ['v.secret target', 'v.secret itself']],
    ['UPDATE usr u, pair p SET u.secret = p.secret', '…', ['u.secret raw-value', 'p.secret raw-value']],
    ['UPDATE usr u, plain p SET u.secret = p.secret', '…', ['u.secret raw-value']],
    ['UPDATE usr u, plain p SET p.secret = u.secret', '…', ['u.secret computed']],
    ['UPDATE plain SET secret = usr.secret FROM usr', '…', ['usr.secret computed']],
    ['UPDATE usr u, plain p SET p.secret = p.secret', '= secret', []],
  ])('%s: the row is another, too', (sql, value, uses) => {
    const { assignments, uses: found } = assignmentsOf(sql)
    expect(assignments.map((each) => each.at(-1))).toEqual([value])
    expect(found).toEqual(uses)
  })

  test.each([
    [
      'INSERT INTO usr (secret) VALUES (?) ON CONFLICT (id) DO UPDATE SET secret = EXCLUDED.secret, raw_secret = EXCLUDED.secret, name = EXCLUDED.name, score = usr.score + 1',
      ['= secret', '…', '= name', '…'],
      [
        'secret target',
        'secret target',
        'EXCLUDED.secret itself',
        'raw_secret raw-value',
        'EXCLUDED.secret raw-value',
      ],
    ],
    [
      'INSERT INTO usr (secret) VALUES (?) ON CONFLICT (id) DO UPDATE SET secret = usr.secret WHERE usr.id = ?',
      ['= secret'],
      ['secret target', 'secret target', 'usr.secret itself'],
    ],
    [
      'INSERT INTO usr (secret) VALUES (?) ON DUPLICATE KEY UPDATE secret = VALUES(secret), name = VALUES(name) RETURNING id',
      ['= secret', '= name'],
      ['secret target', 'secret target'],
    ],
    [
      'INSERT INTO usr (secret) VALUES (?) ON DUPLICATE KEY UPDATE secret = VALUES(secret);',
      ['= secret'],
      ['secret target', 'secret target'],
    ],
    [
      'WITH c AS (INSERT INTO usr (secret) VALUES (?) ON DUPLICATE KEY UPDATE secret = VALUES(secret)) SELECT 1',
      ['= secret'],
      ['secret target', 'secret target'],
    ],
    [
      'INSERT INTO usr (secret) VALUES (?) ON DUPLICATE KEY UPDATE secret = VALUES(secret) ON CONFLICT (id) DO NOTHING',
      ['= secret'],
      ['secret target', 'secret target'],
    ],
    ['UPDATE usr SET secret = VALUES(secret) WHERE id = 1', ['= secret'], ['secret target']],
    [
      'WITH c AS (UPDATE usr "values" SET secret = values.secret), d AS (SELECT 1) SELECT 1',
      ['= secret'],
      ['secret target', 'values.secret itself'],
    ],
  ])('%s', (sql, values, uses) => {
    const { assignments, uses: found } = assignmentsOf(sql)
    expect(assignments.map((each) => each.at(-1))).toEqual(values)
    expect(found).toEqual(uses)
  })

  test('quoted names are told without their quotes, and where they stand with them', () => {
    const { text, statement } = readIn(database, 'UPDATE "usr" SET "usr" . "secret" = "usr"."secret"')
    const [{ name, value, nameStart, nameEnd } = {}] = statement.assignments
    const quoted = inDialect(database, '"secret"')
    expect([name, text.slice(nameStart, nameEnd), value && valueIn(text, value)]).toEqual([
      'secret',
      quoted,
      `= ${quoted}`,
    ])
  })

  test.each([
    'UPDATE usr SET ‸',
    'UPDATE usr SET secret ‸?',
    'UPDATE usr SET ‸= ?',
    'UPDATE usr SET (secret ‸name) = (?, ?)',
    'UPDATE usr SET (secret, name) ‸(?, ?)',
    'UPDATE usr SET (secret, name) = (?‸)',
    'UPDATE usr SET (secret, name) = (? ‸?)',
    'UPDATE usr SET (secret, name) = (?, ?‸, ?)',
  ])('what it cannot read: %s', (sql) => {
    expect(unreadableIn(database, sql.replace('‸', ''))).toBe(inDialect(database, sql))
  })
})

describe('Assignments that only some databases have', () => {
  const readAs = (database: 'mysql' | 'postgres', set: string) => {
    const { text, statement } = readIn(database, `UPDATE usr SET ${set}`)
    const values = statement.assignments.map(({ value, start, end }) => [
      text.slice(start, end),
      valueIn(text, value),
    ])
    return [values, usesIn(text, statement)]
  }

  test('`:=` of MySQL', () => {
    expect(readAs('mysql', 'secret := ?')).toEqual([[['secret := ?', '?0']], ['secret target']])
  })

  test('an element of an array, which no encrypted column is', () => {
    expect(readAs('postgres', 'secret[1] = ?, score[2:3] = ?')).toEqual([
      [
        ['secret[1] = $1', '?0'],
        ['score[2:3] = $2', '?1'],
      ],
      ['secret raw-value'],
    ])
    expect(unreadableIn('postgres', 'UPDATE usr SET score[1')).toBe('UPDATE usr SET score[1‸')
  })
})
