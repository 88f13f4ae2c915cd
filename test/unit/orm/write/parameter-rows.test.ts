import { rowOfParameter } from '../../../../src/orm/write/parameter-rows'
import { type Database, databases, inDialect, readerOf } from '../statement/support'

/** Parameters that tell their number. */
const PARAMETERS = Array.from({ length: 8 }, (_, index) => `p${index}`)

/** A statement, the parameter that goes into an encrypted column, and the row it is in: its `id` and `name`. */
const CASES: [sql: string, index: number, id: unknown, name: unknown][] = [
  ['INSERT INTO "usr"("id", "name", "secret") VALUES (?, ?, ?)', 2, 'p0', 'p1'],
  ['INSERT INTO "usr"("id", "name", "secret") VALUES (?, ?, ?), (?, ?, ?)', 2, 'p0', 'p1'],
  ['INSERT INTO "usr"("id", "name", "secret") VALUES (?, ?, ?), (?, ?, ?)', 5, 'p3', 'p4'],
  ['INSERT INTO "usr"("secret", "id") VALUES (?, ?), (?, ?), (?, ?)', 4, 'p5', undefined],
  // What the database makes up is not known.
  ['INSERT INTO "usr"("id", "name", "secret") VALUES (NULL, ?, ?), (?, ?, ?)', 1, undefined, 'p0'],
  ['INSERT INTO "usr"("id", "name", "secret") VALUES (NULL, ?, ?), (?, ?, ?)', 4, 'p2', 'p3'],
  ['INSERT INTO "usr"("id", "name", "secret") VALUES (?, lower(?), ?)', 2, 'p0', undefined],
  // An UPDATE says by its condition which rows it finds, unless that may be several.
  ['UPDATE "usr" SET "secret" = ? WHERE "id" IN (?)', 0, 'p1', undefined],
  ['UPDATE "usr" SET "secret" = ? WHERE "id" = ? AND "name" = ?', 0, 'p1', 'p2'],
  ['UPDATE "usr" SET "secret" = ? WHERE "id" IN (?, ?)', 0, undefined, undefined],
  ['UPDATE "usr" SET "secret" = ? WHERE "id" = ? OR "name" = ?', 0, undefined, undefined],
  ['UPDATE "usr" SET "secret" = ? WHERE NOT "id" = ?', 0, undefined, undefined],
  // What it sets is what the row will have.
  ['UPDATE "usr" SET "name" = ?, "secret" = ?, "id" = ? WHERE "id" IN (?)', 1, 'p2', 'p0'],
  ['UPDATE "usr" SET "id" = "id" + 1, "secret" = ? WHERE "id" IN (?)', 0, undefined, undefined],
  ['UPDATE "usr" SET "secret" = ?, "name" = NULL WHERE "id" = ? AND "name" = ?', 0, 'p1', undefined],
  // Whole numbers that stand in the text, as SQLite is sent them.
  ['INSERT INTO "usr"("id", "name", "secret") VALUES (11, ?, ?), (-12, ?, ?)', 1, '11', 'p0'],
  ['INSERT INTO "usr"("id", "name", "secret") VALUES (11, ?, ?), (-12, ?, ?)', 3, '-12', 'p2'],
  ['INSERT INTO "usr"("id", "secret") VALUES (1 + 1, ?)', 0, undefined, undefined],
  ['INSERT INTO "usr"("id", "secret") VALUES (1.5, ?)', 0, undefined, undefined],
  ['UPDATE "usr" SET "secret" = ? WHERE "id" IN (7)', 0, '7', undefined],
  ['UPDATE "usr" SET "secret" = ? WHERE "id" = -7', 0, '-7', undefined],
  ['UPDATE "usr" SET "secret" = ? WHERE "id" = 7 + 1', 0, undefined, undefined],
  ['UPDATE "usr" SET "secret" = ? WHERE "id" IN (7, 8)', 0, undefined, undefined],
  ['UPDATE "usr" SET "secret" = ?, "id" = 9 WHERE "id" = 7', 0, '9', undefined],
  ['UPDATE "usr" SET "secret" = ? WHERE "id" IN (7, 8, ?)', 0, undefined, undefined],
  ['UPDATE "usr" SET "secret" = ? WHERE "id" IN (7, ?)', 0, undefined, undefined],
  ['UPDATE "usr" SET "secret" = ? WHERE "id" = 7 OR "id" = ?', 0, undefined, undefined],
  ['UPDATE "usr" SET "secret" = ? WHERE "id" = 7 OR "id" = 8 OR "id" = ?', 0, undefined, undefined],
  ['UPDATE "usr" SET "secret" = ? WHERE "id" = ? OR "id" = ?', 0, undefined, undefined],
  // A parameter that stands in no row.
  ['UPDATE "usr" SET "secret" = ? WHERE "id" IN (?)', 1, undefined, undefined],
  ['DELETE FROM "usr" WHERE "id" IN (?)', 0, undefined, undefined],
  ['INSERT INTO "usr"("id", "secret") VALUES (?, ?), (?, ?)', 4, undefined, undefined],
  ['INSERT INTO "usr"("id", "secret") VALUES (?, ?), (?, ?)', 6, undefined, undefined],
]

describe.each(databases)('the row of a parameter, as %s has it', (database) => {
  it.each(CASES)('%s: parameter %d', (sql, index, id, name) => {
    const [statement] = readerOf(database).read(inDialect(database, sql))
    const row = rowOfParameter({ statement, sql: inDialect(database, sql), parameters: PARAMETERS }, index)
    expect([row('id'), row('name'), row('nothing')]).toEqual([id, name, undefined])
  })
})

/** What a statement says of the row of a parameter: its `id` and `name`. */
function rowIn(database: Database, sql: string, index: number): unknown[] {
  const [statement] = readerOf(database).read(sql)
  const row = rowOfParameter({ statement, sql, parameters: PARAMETERS }, index)
  return [row('id'), row('name')]
}

it.each<[what: string, Database, sql: string, index: number, row: unknown[]]>([
  [
    'what is set where a row is there already',
    'sqlite',
    'INSERT INTO "usr"("id", "name") VALUES (?, ?) ON CONFLICT ("id") DO UPDATE SET "name" = ?, "secret" = ?',
    3,
    [undefined, 'p2'],
  ],
  [
    'the second of two inserts',
    'postgres',
    'WITH a AS (INSERT INTO "plain"("id", "name") VALUES ($1, $2)) INSERT INTO "usr"("id", "secret") VALUES ($3, $4)',
    3,
    ['p2', undefined],
  ],
  [
    'the second of two inserts, whose parameters come first',
    'postgres',
    'WITH a AS (INSERT INTO "plain"("id", "name") VALUES ($3, $4), ($5, $6)) INSERT INTO "usr"("id", "secret") VALUES ($1, $2)',
    1,
    ['p0', undefined],
  ],
  [
    'a row that is found by another table',
    'mysql',
    'UPDATE `usr`, `plain` SET `usr`.`secret` = ? WHERE `plain`.`id` = ?',
    0,
    [undefined, undefined],
  ],
  [
    'a row that is found by another one of its table',
    'postgres',
    'UPDATE "usr" SET "secret" = $1 FROM "usr" "o" WHERE "o"."id" = $2',
    0,
    [undefined, undefined],
  ],
  [
    'a row of which a query selects',
    'postgres',
    'WITH a AS (UPDATE "usr" SET "secret" = $1 WHERE "id" = $2 RETURNING "id") SELECT * FROM a WHERE a."id" = $3',
    0,
    [undefined, undefined],
  ],
  [
    'a row that leads to one of a table without encryption',
    'postgres',
    'WITH a AS (UPDATE "usr" SET "secret" = $1 WHERE "id" = $2 RETURNING "id") UPDATE "other" SET "x" = 1 FROM a WHERE a."id" = $3',
    0,
    [undefined, undefined],
  ],
])('Of statements of several parts: %s', (_, database, sql, index, row) => {
  expect(rowIn(database, sql, index)).toEqual(row)
})

it('nothing is known without a statement', () => {
  expect(rowOfParameter({ statement: undefined, sql: '', parameters: PARAMETERS }, 0)('id')).toBeUndefined()
})

describe.each(databases)('what is known of the row besides, as %s has it', (database) => {
  const found = (name: string): string => `found ${name}`

  it.each([
    ['INSERT INTO "usr"("id", "name", "secret") VALUES (NULL, ?, ?)', 1, 'found id', 'p0', 'found score'],
    ['INSERT INTO "usr"("id", "name", "secret") VALUES (DEFAULT, 5, ?)', 0, 'found id', '5', 'found score'],
    // What an expression gives is not what was there before.
    ['INSERT INTO "usr"("id", "name", "secret") VALUES (?, lower(?), ?)', 2, 'p0', undefined, 'found score'],
    ['UPDATE "usr" SET "secret" = ?, "name" = NULL WHERE "id" = ?', 0, 'p1', 'found name', 'found score'],
    ['UPDATE "usr" SET "secret" = ? WHERE "id" IN (?, ?)', 0, 'found id', 'found name', 'found score'],
  ])('%s', (text, index, id, name, score) => {
    const sql = inDialect(database, text)
    const [statement] = readerOf(database).read(sql)
    const row = rowOfParameter({ statement, sql, parameters: PARAMETERS }, index, found)
    expect([row('id'), row('name'), row('score')]).toEqual([id, name, score])
  })

  it.each([
    ['none', [], undefined],
    ['one', ['a'], 'a'],
    ['several', ['a', 'b'], undefined],
  ])('a parameter of several values tells the row where it has one: %s', (_, values, id) => {
    const sql = inDialect(database, 'UPDATE "usr" SET "secret" = ? WHERE "id" IN (?)')
    const [statement] = readerOf(database).read(sql)
    expect(rowOfParameter({ statement, sql, parameters: ['x', values] }, 0)('id')).toBe(id)
  })
})

it('the text of an array tells no row', () => {
  const sql = 'UPDATE "usr" SET "secret" = $1 WHERE "id" = ANY($2)'
  const [statement] = readerOf('postgres').read(sql)
  const idOf = (value: unknown): unknown =>
    rowOfParameter({ statement, sql, parameters: ['x', value] }, 0)('id')
  expect([idOf('{7}'), idOf(['7']), idOf(['7', '8'])]).toEqual([undefined, '7', undefined])
})
