import { rowId } from '../../../../src/dialects/rows/column-rows'
import { checkIdentity, columnOf } from '../../../../src/dialects/rows/key-identity'
import { type KeyColumn } from '../../../../src/dialects/rows/key-order'

const key = (sql: string): KeyColumn => ({
  property: sql,
  sql,
  type: 'int',
  selected: sql,
  text: sql,
  value: (value, parameters) => parameters.add(value),
})
const keys = [key('a'), key('b')]

/** Rows of which a statement with this text finds one. */
function database(found?: string) {
  const sent: string[] = []
  const query = (sql: string): Promise<unknown[]> => {
    sent.push(sql)
    return Promise.resolve(found !== undefined && sql.includes(found) ? [{ found: 1 }] : [])
  }
  return { sent, query }
}

describe('A primary key of which the catalogue says nothing', () => {
  it('is looked for NULL and for pairs', async () => {
    const { sent, query } = database()
    await checkIdentity(query, 'usr', keys)
    expect(sent).toEqual([
      'SELECT 1 AS found FROM usr WHERE a IS NULL OR b IS NULL LIMIT 1',
      'SELECT 1 AS found FROM usr GROUP BY a, b HAVING COUNT(*) > 1 LIMIT 1',
    ])
  })

  it.each([
    ['IS NULL', 'have NULL in the primary key (a, b)'],
    ['GROUP BY', 'have the same primary key (a, b)'],
  ])('is refused where rows are found by %s', async (found, message) => {
    const error: unknown = await checkIdentity(database(found).query, 'usr', keys).catch(
      (each: unknown) => each,
    )
    expect(error).toMatchObject({ code: 'NO_PRIMARY_KEY' })
    expect(String(error)).toContain(message)
    expect(String(error)).toContain('usr')
  })
})

describe('The column of a key', () => {
  const columns = [{ name: 'other' }, { name: 'Id' }]

  it('is found whatever the case of its name', () => {
    expect(columnOf(columns, { property: 'id', name: 'iD' })).toBe(columns[1])
  })

  it('is an error that names the property where there is none', () => {
    expect(() => columnOf(columns, { property: 'userId', name: 'user_id' })).toThrow(
      expect.objectContaining({ code: 'NO_PRIMARY_KEY', message: expect.stringContaining('userId') }),
    )
  })
})

describe('The name of a row', () => {
  it('is another one for each key', () => {
    const text = { toString: () => '1' }
    const found = [
      [1],
      ['2'],
      [text],
      [Buffer.from('1')],
      [1, 1],
      [1, Buffer.from('1')],
      [11],
      [Buffer.from([0xff])],
      [Buffer.from([0xfe])],
      ['a","nb'],
      ['a', 'b'],
    ].map(rowId)
    expect(new Set(found).size).toBe(found.length)
  })

  it('is the same for the same key', () => {
    expect(rowId([Buffer.from('é'), 1n])).toBe(rowId([Buffer.from('é'), 1]))
    expect(rowId([7n])).toBe(rowId([7]))
  })
})
