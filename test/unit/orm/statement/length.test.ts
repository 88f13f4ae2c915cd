import { databases, readerOf } from './support'

const COUNT = 2_000

/** A text of so many pieces takes minutes where each piece is compared with each other one in some costly way. */
describe.each(databases)('The time that a statement takes, on %s', (database) => {
  const reader = readerOf(database)
  const placeholder = (at: number): string => (database === 'postgres' ? `$${at}` : '?')
  const pieces = (make: (at: number) => string, between: string): string =>
    Array.from({ length: COUNT }, (_, at) => make(at + 1)).join(between)

  test.each([
    ['places to order by', () => `SELECT u.secret FROM usr u ORDER BY ${pieces(() => '1', ', ')}`],
    ['columns to order by', () => `SELECT u.secret FROM usr u ORDER BY ${pieces(() => 'u.secret', ', ')}`],
    ['columns to group by', () => `SELECT u.secret FROM usr u GROUP BY ${pieces(() => 'u.secret', ', ')}`],
    ['distinct columns', () => `SELECT DISTINCT ${pieces(() => 'u.secret', ', ')} FROM usr u`],
    [
      'alternatives',
      () => `SELECT u.id FROM usr u WHERE ${pieces((at) => `u.secret = ${placeholder(at)}`, ' OR ')}`,
    ],
    [
      'conditions',
      () => `SELECT u.id FROM usr u WHERE ${pieces((at) => `u.secret = ${placeholder(at)}`, ' AND ')}`,
    ],
    [
      'alternatives of conditions',
      () =>
        `SELECT u.id FROM usr u WHERE ${pieces((at) => `(u.id = ${at} AND u.secret = ${placeholder(at)})`, ' OR ')}`,
    ],
    ['assignments', () => `UPDATE usr SET ${pieces((at) => `secret = ${placeholder(at)}`, ', ')}`],
    [
      'rows',
      () => `INSERT INTO usr (id, secret) VALUES ${pieces((at) => `(${at}, ${placeholder(at)})`, ', ')}`,
    ],
    ['branches', () => pieces(() => 'SELECT secret FROM usr', ' UNION ALL ')],
  ])('grows with its length: %s', (_, make) => {
    const [statement] = reader.read(make())
    expect(statement.unreadable).toBeUndefined()
    expect(statement.uses.length).toBeGreaterThan(0)
  })
})

/** V8 has no regular expression, and no recursion, that takes so long a match of many pieces. */
describe.each(databases)('A statement with one long piece, on %s', (database) => {
  const reader = readerOf(database)
  const MANY = 1_000_000

  test.each([
    ['a text', () => `'${'x'.repeat(20 * MANY)}'`],
    ['a text of quotes', () => `'${"''".repeat(MANY)}'`],
    ['a text of backslashes', () => `'${'\\\\'.repeat(MANY)}'`],
    ['bytes', () => `x'${'00'.repeat(MANY)}'`],
    ['a comment', () => `/* ${'* '.repeat(MANY)} */ 1`],
    ['a line comment', () => `-- ${'/* '.repeat(MANY)}\n 1`],
    ['white space', () => `${' '.repeat(MANY)}1`],
    ['a number', () => '1'.repeat(MANY)],
  ])('is read: %s', (_, piece) => {
    const [statement] = reader.read(`UPDATE usr SET city = ${piece()} WHERE secret IS NOT NULL AND id = 1`)
    expect(statement.unreadable).toBeUndefined()
    expect(statement.tables.length).toBeGreaterThan(0)
  })
})
