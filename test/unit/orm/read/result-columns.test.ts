import { type BoundColumn } from '../../../../src/orm/bound-column'
import { encryptedResults } from '../../../../src/orm/read/result-columns'
import { type CatalogueTable, type Statement } from '../../../../src/orm/statement/statement'
import { databases, inDialect, readerOf, table } from '../statement/support'

/** Encrypted columns lead to declarations, which tell their place here. */
function declared({ path, columns }: CatalogueTable): CatalogueTable {
  return {
    path,
    columns: columns.map((column) => {
      const name = `${path.join('.')}.${column.name}`
      return { ...column, bound: column.isEncrypted ? [{ name } as BoundColumn] : [] }
    }),
  }
}

const catalogue = {
  defaults: ['public', 'main', 'app'],
  tables: [
    table('usr', 'id*', 'name', 'secret!', 'pin!'),
    table('member', 'id*', 'secret!'),
    table('plain', 'id*', 'secret', 'name'),
  ].map(declared),
}

/** A statement, and its encrypted results: `name: column, id of the row`. */
const CASES: [sql: string, results: string[]][] = [
  [
    'SELECT "u"."id" AS "u_id", "u"."secret" AS "u_secret" FROM "usr" "u"',
    ['u_secret: usr.secret, id in u_id'],
  ],
  ['SELECT "u"."secret" AS "u_secret" FROM "usr" "u"', ['u_secret: usr.secret, id in undefined']],
  [
    'SELECT "u"."id" AS "i", "u"."secret" AS "s", "u"."pin" AS "p" FROM "usr" "u"',
    ['s: usr.secret, id in i', 'p: usr.pin, id in i'],
  ],
  // Each row of a join has its own.
  [
    'SELECT "a"."id" AS "ai", "a"."secret" AS "as", "b"."id" AS "bi", "b"."secret" AS "bs" FROM "usr" "a" JOIN "usr" "b" ON "b"."id" > "a"."id"',
    ['as: usr.secret, id in ai', 'bs: usr.secret, id in bi'],
  ],
  [
    'SELECT "b"."id" AS "bi", "a"."secret" AS "as" FROM "usr" "a" JOIN "member" "b" ON "b"."id" = "a"."id"',
    ['as: usr.secret, id in undefined'],
  ],
  // A name that looks like it is none.
  ['SELECT "p"."id" AS "u_id", "p"."secret" AS "u_secret" FROM "plain" "p"', []],
  ['SELECT "p"."name" AS "usr_secret" FROM "plain" "p"', []],
  // Of two with one name the drivers give the last.
  ['SELECT "u"."secret" AS "x", "u"."name" AS "x" FROM "usr" "u"', []],
  ['SELECT "u"."name" AS "x", "u"."secret" AS "x" FROM "usr" "u"', ['x: usr.secret, id in undefined']],
  // Through a derived table.
  [
    'SELECT "d"."i" AS "di", "d"."s" AS "ds" FROM (SELECT "u"."id" AS "i", "u"."secret" AS "s" FROM "usr" "u") "d"',
    ['ds: usr.secret, id in di'],
  ],
  // A set operation, of one column and of two.
  [
    'SELECT "u"."id" AS "i", "u"."secret" AS "s" FROM "usr" "u" UNION ALL SELECT "v"."id", "v"."secret" FROM "usr" "v"',
    ['s: usr.secret, id in i'],
  ],
  [
    'SELECT "u"."id" AS "i", "u"."secret" AS "s" FROM "usr" "u" UNION ALL SELECT "p"."id", "p"."secret" FROM "plain" "p"',
    [],
  ],
  // A branch that has something else for the key does not tell its rows.
  [
    'SELECT "u"."id" AS "i", "u"."secret" AS "s" FROM "usr" "u" UNION ALL SELECT 1, "v"."secret" FROM "usr" "v"',
    ['s: usr.secret, id in undefined'],
  ],
  [
    'SELECT 1 AS "i", "u"."secret" AS "s" FROM "usr" "u" UNION ALL SELECT "v"."id", "v"."secret" FROM "usr" "v"',
    ['s: usr.secret, id in undefined'],
  ],
  [
    'SELECT "u"."id" AS "i", "u"."secret" AS "s" FROM "usr" "u" UNION ALL SELECT "v"."name", "v"."secret" FROM "usr" "v"',
    ['s: usr.secret, id in undefined'],
  ],
  [
    'SELECT "u"."id" AS "i", "u"."secret" AS "s" FROM "usr" "u" UNION ALL SELECT "p"."id", "v"."secret" FROM "usr" "v", "usr" "p"',
    ['s: usr.secret, id in undefined'],
  ],
  [
    'SELECT "u"."id" AS "i", "u"."secret" AS "s" FROM "usr" "u" UNION ALL SELECT "v"."id", "v"."pin" FROM "usr" "v"',
    [],
  ],
  // What was computed is no value of the column.
  ['SELECT LENGTH("u"."secret") AS "u_secret" FROM "usr" "u"', []],
]

describe.each(databases)('the encrypted results of a statement, as %s has it', (database) => {
  const reader = readerOf(database, catalogue)
  const told = (...readings: [Statement, ...Statement[]]) =>
    encryptedResults(readings).map(
      ({ name, column, rowName }) => `${name}: ${column.name}, id in ${rowName('id')}`,
    )

  it.each(CASES)('%s', (sql, results) => {
    expect(told(...reader.read(inDialect(database, sql)))).toEqual(results)
  })

  it('are those on which all readings of the text agree', () => {
    const read = (name: string): Statement =>
      reader.read(inDialect(database, `SELECT "u"."id" AS "i", "u"."secret" AS "s" FROM "${name}" "u"`))[0]
    const [one, other] = [read('usr'), read('member')]
    expect(told(one, one)).toEqual(['s: usr.secret, id in i'])
    expect(told(one, other)).toEqual([])
    const variant = (sql: string): Statement => reader.read(inDialect(database, sql))[0]
    // Another row of the table, another column of the row, and one branch more.
    for (const sql of [
      'SELECT "v"."id" AS "i", "v"."secret" AS "s" FROM "usr" "v"',
      'SELECT "u"."id" AS "i", "u"."pin" AS "s" FROM "usr" "u"',
      'SELECT "u"."id" AS "i", "u"."secret" AS "s" FROM "usr" "u" UNION ALL SELECT "u"."id", "u"."secret" FROM "usr" "u"',
      'SELECT "u"."id" AS "i" FROM "usr" "u"',
    ])
      expect(told(one, variant(sql))).toEqual([])
    expect(told(variant('SELECT 1 AS "i" FROM "usr" "u"'), one)).toEqual([])
  })
})
