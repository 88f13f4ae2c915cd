import { inspect } from 'node:util'
import { HiddenParameter } from '../../../../src/dialects/rows/hidden-parameter'

describe('A parameter that nobody is shown', () => {
  it.each([
    [Buffer.from('c101', 'hex'), "X'c101'"],
    [Buffer.alloc(0), "X''"],
    ['aü', "CONVERT(X'61c3bc' USING utf8mb4)"],
    // No quote or backslash of the text reaches the statement.
    ["'\\", "CONVERT(X'275c' USING utf8mb4)"],
    ['', "''"],
    [null, 'NULL'],
  ])('is SQL for mysql2: %j', (value, sql) => {
    expect(new HiddenParameter(value).toSqlString()).toBe(sql)
  })

  it('is the value itself for pg', () => {
    const values = ['a', null, Buffer.from('b')]
    expect(new HiddenParameter(values).toPostgres()).toBe(values)
  })

  it('prints nothing of itself', () => {
    const parameter = new HiddenParameter('secret')
    for (const printed of [inspect(parameter), inspect([parameter]), JSON.stringify({ parameter })]) {
      expect(printed).toContain('[hidden]')
      expect(printed).not.toContain('secret')
    }
  })
})
