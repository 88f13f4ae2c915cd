import { rowsOfUpdate } from '../../../../src/orm/statement/rows-of-update'
import { databases, readIn, type Database } from './support'

/** The SELECT of the rows of an UPDATE with `"names"` and `?`; its parameters are `p0`, `p1`, … */
function rowsOf(database: Database, update: string): { sql: string; parameters: unknown[] } {
  const { text, statement } = readIn(database, update)
  if (!statement.updated) throw new Error('not one table')
  const given = Array.from({ length: statement.parameters }, (_, index) => `p${index}`)
  return rowsOfUpdate(text, statement.updated, given, ['id', 'name'], (at) =>
    database === 'postgres' ? `$${at}` : '?',
  )
}

describe('The rows that an UPDATE changes', () => {
  test.each([
    ['WHERE id = ?', 'id = ?', 'p1'],
    ['WHERE id = ? OR (score > ? AND name = ?)', 'id = ? OR (score > ? AND name = ?)', 'p1', 'p2', 'p3'],
    ["WHERE name = 'x'", "name = 'x'"],
    ['WHERE ? < score AND TRUE', '? < score AND TRUE', 'p1'],
  ])(
    '%s are selected with the parameters of the condition, on SQLite and MySQL',
    (where, expected, ...taken) => {
      for (const database of ['sqlite', 'mysql'] as const)
        expect(rowsOf(database, `UPDATE usr SET secret = ? ${where}`)).toEqual({
          sql: `SELECT id, name FROM usr WHERE ${expected}`,
          parameters: taken,
        })
    },
  )

  test('have placeholders of their own on PostgreSQL, in the order of the condition', () => {
    expect(
      rowsOf('postgres', 'UPDATE usr SET secret = $1 WHERE id = $3 AND name = $2 AND score > 4'),
    ).toEqual({
      sql: 'SELECT id, name FROM usr WHERE id = $1 AND name = $2 AND score > 4',
      parameters: ['p2', 'p1'],
    })
  })

  test.each(databases)(
    'are those of its own name for the table, and end with the condition, on %s',
    (database) => {
      const { sql, parameters } = rowsOf(database, 'UPDATE "usr" SET "secret" = ? WHERE "id" = ? /* end */')
      expect(sql.replaceAll('`', '"').replace('$1', '?').trimEnd()).toBe(
        'SELECT id, name FROM "usr" WHERE "id" = ?',
      )
      expect(parameters).toEqual(['p1'])
    },
  )
})

describe('The parameters of a statement', () => {
  test.each([
    ['SELECT 1', 0],
    ['SELECT 1 FROM usr WHERE id = ?', 1],
    ['INSERT INTO usr (id, secret) VALUES (?, ?), (?, ?)', 4],
  ])('are as many as it has places for: %s', (sql, count) => {
    for (const database of databases) expect(readIn(database, sql).statement.parameters).toBe(count)
  })

  test('are counted up to the highest number', () => {
    expect(readIn('postgres', 'SELECT $2::text, $2::text').statement.parameters).toBe(2)
  })
})
