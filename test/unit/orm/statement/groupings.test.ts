import { databases, readIn } from './support'

describe.each(databases)('DISTINCT and GROUP BY by an encrypted column, on %s', (database) => {
  const groupingsIn = (sql: string) => {
    const { text, statement } = readIn(database, sql)
    return statement.groupings.map(({ distinct, end, groups, items }) => ({
      ...(distinct ? { distinct: text.slice(...distinct) } : {}),
      behind: text.slice(end).trim(),
      groups: groups.map(
        ({ source, start, end: to, nameStart, isDirect }) =>
          `${text.slice(start, to)}/${text.slice(nameStart, to)}=${source?.column.name ?? '?'}${isDirect ? ' direct' : ''}`,
      ),
      items: items.map(
        ({ source, start, end: to, ownName, isDirect }) =>
          `${text.slice(start, to)}=${source?.column.name ?? '?'}${isDirect ? ' direct' : ''}${ownName === undefined ? '' : ` named ${ownName}`}`,
      ),
    }))
  }

  test('are told with their columns, and with the place behind FROM and WHERE', () => {
    expect(
      groupingsIn(
        'SELECT u.secret, u.name AS n FROM usr u WHERE u.id > 1 GROUP BY u.secret, name HAVING 1 = 1',
      ),
    ).toEqual([
      {
        behind: 'GROUP BY u.secret, name HAVING 1 = 1',
        groups: ['u.secret/secret=secret direct', 'name/name=name direct'],
        items: ['u.secret=secret direct named secret', 'u.name=name direct'],
      },
    ])
    expect(groupingsIn('SELECT DISTINCT secret, u.name n FROM usr u ORDER BY u.name')).toEqual([
      {
        distinct: 'DISTINCT',
        behind: 'ORDER BY u.name',
        groups: [],
        items: ['secret=secret direct named secret', 'u.name=name direct'],
      },
    ])
  })

  test.each([
    // Items that are no columns are computed from those that are grouped by.
    ['SELECT COUNT(*), u.secret FROM usr u GROUP BY u.secret', ['u.secret=secret direct named secret']],
    ['SELECT u.* FROM usr u GROUP BY u.secret', []],
    ['SELECT p.nothing FROM usr u, plain p GROUP BY u.secret', ['p.nothing=? named nothing']],
    ['SELECT d.secret FROM (SELECT secret FROM usr) d GROUP BY d.secret', ['d.secret=secret named secret']],
    ['SELECT secret AS s FROM usr UNION ALL SELECT name FROM plain', undefined],
    ['SELECT 1 FROM (SELECT DISTINCT secret FROM usr) d', ['secret=secret direct named secret']],
  ])('%s', (sql, items) => {
    expect(groupingsIn(sql).map((each) => each.items)).toEqual(items ? [items] : [])
  })

  test.each([
    'SELECT u.secret FROM usr u',
    'SELECT DISTINCT u.name FROM usr u',
    'SELECT DISTINCT u.id, u.secret FROM usr u',
    'SELECT u.name FROM usr u GROUP BY u.name',
    // What is more than columns.
    'SELECT DISTINCT u.secret, 1 FROM usr u',
    'SELECT DISTINCT * FROM member',
    'SELECT DISTINCTROW u.secret FROM usr u',
    'SELECT DISTINCT u.secret FROM usr u GROUP BY u.name',
    'SELECT u.secret FROM usr u GROUP BY u.secret, lower(u.name)',
    'SELECT u.secret FROM usr u GROUP BY 1',
    'SELECT DISTINCT ON (u.secret) u.id FROM usr u',
    'SELECT 1 FROM usr u WINDOW w AS (PARTITION BY u.secret)',
    // What compares rows besides.
    'SELECT DISTINCT secret FROM usr UNION ALL SELECT name FROM plain',
    'SELECT secret FROM usr UNION SELECT name FROM plain',
  ])('nothing is told of %s', (sql) => {
    expect(groupingsIn(sql)).toEqual([])
  })
})
