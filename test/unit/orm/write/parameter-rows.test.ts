import { rowOfParameter } from '../../../../src/orm/write/parameter-rows'
import { databases, inDialect, readerOf } from '../statement/support'

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
  // Nor is a row that is found by its key.
  ['UPDATE "usr" SET "secret" = ? WHERE "id" IN (?)', 0, undefined, undefined],
  ['UPDATE "usr" SET "name" = ?, "secret" = ?, "id" = ? WHERE "id" IN (?)', 1, 'p2', 'p0'],
  // A parameter that stands in no row.
  ['UPDATE "usr" SET "secret" = ? WHERE "id" IN (?)', 1, undefined, undefined],
  ['DELETE FROM "usr" WHERE "id" IN (?)', 0, undefined, undefined],
]

describe.each(databases)('the row of a parameter, as %s has it', (database) => {
  it.each(CASES)('%s: parameter %d', (sql, index, id, name) => {
    const [statement] = readerOf(database).read(inDialect(database, sql))
    const row = rowOfParameter(statement, PARAMETERS, index)
    expect([row('id'), row('name'), row('nothing')]).toEqual([id, name, undefined])
  })
})

it('nothing is known without a statement', () => {
  expect(rowOfParameter(undefined, PARAMETERS, 0)('id')).toBeUndefined()
})
