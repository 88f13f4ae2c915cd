import { type BoundColumn } from '../../../../src/orm/bound-column'
import { type EncryptedResult, type Row } from '../../../../src/orm/read/result-columns'
import { fetchMissing, missingColumns } from '../../../../src/orm/read/row-fetch'
import { type Connection } from '../../../../src/orm/row/located-update'

interface Shape {
  path?: string
  key?: string[]
  opensBy?: string[]
  tableType?: string
  /** Names of the columns that the result has. */
  has?: string[]
  /** In front of each. */
  prefix?: string
}

/** An encrypted column of a result, whose other columns have the names `PREFIX_NAME`. */
function resultOf({
  path = 'usr',
  key = ['id'],
  opensBy = ['tenant'],
  tableType = 'regular',
  has = ['id'],
  prefix = 'u_',
}: Shape = {}): EncryptedResult {
  const column = {
    recipes: { opensBy: opensBy.map((name) => ({ name })) },
    metadata: {
      entityMetadata: {
        tablePath: path,
        tableType,
        primaryColumns: key.map((databaseName) => ({ databaseName })),
      },
    },
  } as unknown as BoundColumn
  return {
    name: `${prefix}secret`,
    column,
    rowName: (name) => (has.includes(name) ? prefix + name : undefined),
  }
}

/** A database that has these rows, and what it was asked. */
function databaseOf(rows: Row[]) {
  const sent: { sql: string; parameters: unknown[] }[] = []
  const connection = {
    escape: (name: string) => `"${name}"`,
    dialect: { placeholder: (position: number) => `$${position}` },
    query: (sql: string, parameters: unknown[]) => {
      sent.push({ sql, parameters })
      return Promise.resolve(rows)
    },
  } as unknown as Connection
  return { connection, sent }
}

test('columns that a result does not bring are missing', () => {
  const missing = (shape: Shape): string[] => missingColumns(resultOf(shape)).map(({ name }) => name)
  expect(missing({ opensBy: ['id', 'tenant', 'kind'], has: ['id', 'kind'] })).toEqual(['tenant'])
  expect(missing({ opensBy: [] })).toEqual([])
})

test('they are asked for by the primary key, once for all rows of a key', async () => {
  const result = resultOf({ opensBy: ['tenant', 'kind'] })
  const { connection, sent } = databaseOf([
    { id: 1, tenant: 'a', kind: 'x' },
    { id: 2, tenant: 'b', kind: 'y' },
  ])
  const rows: Row[] = [{ u_id: 1 }, { u_id: 2 }, { u_id: 1 }]
  const value = await fetchMissing([result], rows, connection)
  expect(sent).toEqual([
    { sql: 'SELECT "id", "tenant", "kind" FROM "usr" WHERE ("id" = $1) OR ("id" = $2)', parameters: [1, 2] },
  ])
  expect(rows.map((row) => [value(result, row, 'tenant'), value(result, row, 'kind')])).toEqual([
    ['a', 'x'],
    ['b', 'y'],
    ['a', 'x'],
  ])
  expect(value(result, { u_id: 3 }, 'tenant')).toBeUndefined()
})

test('a key of several columns is asked for whole, and bytes are bytes', async () => {
  const result = resultOf({ path: 'app.usr', key: ['a', 'b'], has: ['a', 'b'] })
  const { connection, sent } = databaseOf([
    { a: Buffer.from([1]), b: '2', tenant: 'x' },
    { a: Uint8Array.of(1), b: '3', tenant: 'y' },
  ])
  const row = { u_a: Buffer.from([1]), u_b: 2 }
  const value = await fetchMissing([result], [row], connection)
  expect(sent.map(({ sql }) => sql)).toEqual([
    'SELECT "a", "b", "tenant" FROM "app"."usr" WHERE ("a" = $1 AND "b" = $2)',
  ])
  expect(value(result, row, 'tenant')).toBe('x')
  expect(value(result, { ...row, u_b: 3n }, 'tenant')).toBe('y')
})

test('rows without the key are not asked for: those that a join does not have', async () => {
  const result = resultOf({ key: ['a', 'b'], has: ['a', 'b'] })
  const { connection, sent } = databaseOf([])
  const rows: Row[] = [{ u_a: null, u_b: null }, { u_a: 1, u_b: null }, { u_a: 1 }]
  await fetchMissing([result], rows, connection)
  expect(sent).toEqual([])
})

test.each<[string, Shape]>([
  ['it has no key', { has: [] }],
  ['it has not the whole key', { key: ['a', 'b'], has: ['a'] }],
  ['it is of a view', { tableType: 'view' }],
  ['nothing is missing', { opensBy: ['id'] }],
])('a result is not asked for where %s', async (_, shape) => {
  const result = resultOf(shape)
  const { connection, sent } = databaseOf([{ id: 1, tenant: 'a' }])
  const value = await fetchMissing([result], [{ u_id: 1, u_a: 1 }], connection)
  expect(sent).toEqual([])
  expect(value(result, { u_id: 1 }, 'tenant')).toBeUndefined()
})

test('columns of one row are asked for together, and those of another row of the table are not', async () => {
  const [one, other] = [resultOf({ opensBy: ['tenant'] }), resultOf({ opensBy: ['kind'] })]
  const parent = resultOf({ prefix: 'p_' })
  const { connection, sent } = databaseOf([{ id: 1, tenant: 'a', kind: 'x' }])
  const value = await fetchMissing([one, other, parent], [{ u_id: 1, p_id: 9 }], connection)
  expect(sent).toEqual([
    { sql: 'SELECT "id", "tenant", "kind" FROM "usr" WHERE ("id" = $1)', parameters: [1] },
    { sql: 'SELECT "id", "tenant" FROM "usr" WHERE ("id" = $1)', parameters: [9] },
  ])
  expect(value(other, { u_id: 1 }, 'kind')).toBe('x')
  expect(value(parent, { p_id: 9 }, 'tenant')).toBeUndefined()
})

test('five hundred rows are asked for in one statement, and no more', async () => {
  const rows = Array.from({ length: 1_001 }, (_, id) => ({ u_id: id }))
  const { connection, sent } = databaseOf([])
  await fetchMissing([resultOf()], rows, connection)
  expect(sent.map(({ parameters }) => parameters.length)).toEqual([500, 500, 1])
  expect(sent.map(({ parameters }) => parameters[0])).toEqual([0, 500, 1_000])
  expect(sent[2]?.sql).toBe('SELECT "id", "tenant" FROM "usr" WHERE ("id" = $1)')
})
