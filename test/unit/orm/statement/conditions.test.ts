import { databases, inDialect, readerOf } from './support'

describe.each(databases)('What WHERE says of each row, on %s', (database) => {
  const conditionsOf = (where: string): string[] => conditionsIn(`SELECT u.secret FROM usr u WHERE ${where}`)
  const conditionsIn = (sql: string): string[] =>
    readerOf(database)
      .read(inDialect(database, sql))[0]
      .conditions.map(({ source, placeholders, arrays, integers }) => {
        const names = `${source.row}.${source.column.name}`
        const numbers = integers.map((span) => `'${inDialect(database, sql).slice(...span)}'`)
        return [names, ...placeholders, ...arrays.map((each) => `[${each}]`), ...numbers].join(' ')
      })

  test.each<[string, string[]]>([
    ['u.id = ?', ['u.id 0']],
    ['? = u.id', ['u.id 0']],
    ['(u.id = ?)', ['u.id 0']],
    ['((u.id = (?)))', ['u.id 0']],
    ['u.id IN (?, ?)', ['u.id 0 1']],
    ['u.id = ? AND u.secret = ?', ['u.id 0', 'u.secret 1']],
    ['u.id = ? AND (u.name > ? AND u.secret IN (?))', ['u.id 0', 'u.secret 2']],
    ['u.id = ? AND u.id IN (?, ?)', ['u.id 0', 'u.id 1 2']],
    ['name = ? AND u.score BETWEEN ? AND ? AND id = ?', ['u.name 0', 'u.id 3']],
    ['u.name LIKE ? AND u.id = ? AND u.secret IS NOT NULL', ['u.id 1']],
    ['u.id = ? AND EXISTS (SELECT 1 FROM member m WHERE m.id = ?)', ['u.id 0']],
    // Each side of an OR says it of the same column.
    ['u.id = ? OR u.id = ?', ['u.id 0 1']],
    ['(u.id = ? AND u.name = ?) OR (u.name = ? AND u.score = ?)', ['u.name 1 2']],
    ['((u.secret = ?) OR (u.secret = ? AND u.name > ?)) AND u.id = ?', ['u.secret 0 1', 'u.id 3']],
    ['(u.id = ? OR u.id IN (?, ?)) OR u.id = ?', ['u.id 0 1 2 3']],
    ['u.id = ? AND u.name = ? OR u.id = ?', ['u.id 0 2']],
    // Said twice in one alternative, it is not said in the other.
    ['(u.id = ? AND u.id = ?) OR u.id = ?', ['u.id 0 2']],
    ['(u.id = ? AND u.id = ?) OR u.name = ?', []],
    // Only a parameter of ANY is an array in itself.
    ['u.id = ANY(?)', ['u.id 0 [0]']],
    ['u.id = ANY(?) OR u.id = ? OR u.id = SOME(?)', ['u.id 0 1 2 [0] [2]']],
    // Nothing follows of these.
    ['u.id = ? OR u.name = ?', []],
    ['u.id = ? OR u.score > ?', []],
    ['u.id = ? OR TRUE', []],
    ['u.id = ? XOR u.name = ?', []],
    ['u.id = ? AND (u.secret = ? XOR u.name = ?)', ['u.id 0']],
    ['NOT u.id = ?', []],
    ['NOT (u.id = ?)', []],
    ['NOT (u.id = ? AND u.name = ?) AND u.secret = ?', ['u.secret 2']],
    ['u.id <> ?', []],
    ['u.id NOT IN (?)', []],
    ['u.id = ? + 1', []],
    ['u.id = u.score', []],
    ['u.id = 1', ["u.id '1'"]],
    ['-1 = u.id', ["u.id '-1'"]],
    ['u.id = -1', ["u.id '-1'"]],
    ['u.id IN (1, -2, 3)', ["u.id '1' '-2' '3'"]],
    ['u.id = 1 OR u.id = ?', ["u.id 0 '1'"]],
    ['u.id = 1.5', []],
    ['u.id = 1 + 1', []],
    ['u.id = - - 1', []],
    ['u.id = ~1', []],
    ['u.id = - BINARY 1', []],
    ['u.id <> 1', []],
    ['u.id IN (?, 1)', []],
    ['u.id IN (SELECT m.id FROM member m WHERE m.id = ?)', []],
    ['(u.id = ?) = 0', []],
    ['(u.id = ?) IS NULL', []],
    ['(u.id = ?) IS FALSE', []],
    ['(u.id = ?) IS NOT TRUE AND u.name = ?', ['u.name 1']],
    ['u.id = ? IS NULL', []],
    ['u.id + 1 = ?', []],
    ['-u.id = ?', []],
    // A sign makes another value of a parameter, or of the column behind one.
    ['u.id = -?', []],
    ['u.id = - (?)', []],
    ['? = -u.id', []],
    ['-1 = -u.id', []],
    ['u.id = ~?', []],
    ['u.id = NOT ?', []],
    ['? = NOT u.id', []],
    ['u.id IN (?, -?)', []],
    ['u.id = -? AND u.name = ?', ['u.name 1']],
    ['-? < u.score AND u.name = ?', ['u.name 1']],
    ['u.id = ? COLLATE "C"', []],
    ['CASE WHEN u.id = ? THEN 1 ELSE 1 END', []],
    ['CASE WHEN 1 = 1 THEN 1 END = 1 OR u.id = ?', []],
    ['COALESCE(u.id = ?, TRUE)', []],
    ['(u.id = ?, TRUE)', []],
    ['u.unknown = ?', []],
  ])('%s', (where, expected) => {
    expect(conditionsOf(where)).toEqual(expected)
  })

  test.each<[string, string[]]>([
    ['UPDATE usr SET secret = ? WHERE id = ? AND name = ?', ['usr.id 1', 'usr.name 2']],
    ['UPDATE usr SET secret = ? WHERE id IN (?, ?)', ['usr.id 1 2']],
    ['UPDATE "usr" SET "secret" = ? WHERE ("id" = ?) OR ("id" = ?)', ['usr.id 1 2']],
    ['DELETE FROM usr WHERE "usr"."secret" = ?', ['usr.secret 0']],
    ['SELECT 1 FROM usr u INNER JOIN member m ON m.id = ? WHERE m.secret = ?', ['m.secret 1']],
    ['SELECT d.secret FROM (SELECT secret FROM usr WHERE secret = ?) d', []],
    ['SELECT d.secret FROM (SELECT secret FROM usr) d WHERE d.secret = ?', ['d/usr.secret 0']],
    ['SELECT secret FROM usr WHERE secret = ? UNION ALL SELECT secret FROM usr WHERE secret = ?', []],
    ['SELECT secret FROM usr HAVING secret = ?', []],
    // It may be that of either table.
    ['SELECT 1 FROM usr, plain WHERE id = ?', []],
  ])('%s', (sql, expected) => {
    expect(conditionsIn(sql)).toEqual(expected)
  })
})

describe('On PostgreSQL', () => {
  const read = (sql: string) => readerOf('postgres').read(sql)[0]

  test('arrays are conditions, too, and casts are none', () => {
    const { conditions } = read(
      'SELECT 1 FROM usr u WHERE u.id = ANY($1) AND u.name = $2::text AND (u.secret = $3)::bool',
    )
    expect(conditions.map(({ source: { column }, placeholders }) => [column.name, placeholders])).toEqual([
      ['id', [0]],
    ])
  })

  test.each([
    '$1::varchar(3) = u.name',
    '($1::varchar(3)) = u.name',
    'u.name = $1::varchar(3)',
    'u.name = ANY($1::varchar(3)[])',
  ])('a column does not equal the parameter of which a cast makes something else: %s', (where) => {
    expect(read(`SELECT 1 FROM usr u WHERE ${where}`).conditions).toEqual([])
    const secret = where.replace('name', 'secret')
    const { comparisons, uses } = read(`SELECT 1 FROM usr u WHERE ${secret}`)
    expect([comparisons, uses.map(({ place }) => place)]).toEqual([[], ['searched']])
  })

  test('placeholders that stand more than once are counted', () => {
    expect(read('SELECT 1 FROM usr WHERE id = $1 AND name = $2').repeated.size).toBe(0)
    const { repeated } = read('SELECT 1 FROM usr WHERE id = $2 AND name = $1 OR id = $2 OR score = $2')
    expect([...repeated]).toEqual([[1, 3]])
  })
})

describe.each(databases)('Places to write to, on %s', (database) => {
  const read = (sql: string) => {
    const text = inDialect(database, sql)
    return { text, statement: readerOf(database).read(text)[0] }
  }

  test('a comparison tells where the name of its column stands', () => {
    const { text, statement } = read('SELECT 1 FROM "usr" "u" WHERE "u" . "secret" = ?')
    const [comparison] = statement.comparisons
    expect(text.slice(comparison?.nameStart, comparison?.columnEnd)).toBe(inDialect(database, '"secret"'))
  })

  test('an assignment tells where its name stands, and that of its source', () => {
    const upsert = {
      mysql: 'ON DUPLICATE KEY UPDATE "usr"."name" = ?, "secret" = VALUES("secret")',
      postgres: 'ON CONFLICT (id) DO UPDATE SET "name" = ?, "secret" = EXCLUDED."secret"',
      sqlite: 'ON CONFLICT (id) DO UPDATE SET "name" = ?, "secret" = EXCLUDED."secret"',
    }[database]
    const { text, statement } = read(`INSERT INTO usr ("id", "secret") VALUES (?, ?) ${upsert}`)
    const [name, secret] = statement.assignments
    expect(text.slice(name?.nameStart, name?.nameEnd)).toBe(inDialect(database, '"name"'))
    expect(text.slice(secret?.nameStart, secret?.nameEnd)).toBe(inDialect(database, '"secret"'))
    expect(secret?.value.kind === 'itself' && text.slice(secret.value.nameStart, secret.value.nameEnd)).toBe(
      inDialect(database, '"secret"'),
    )
  })
})
