import { keyForm } from '../../../src/dialects/mysql/key-types'
import { Parameters } from '../../../src/dialects/rows/key-order'

describe('the form in which MySQL pages a key', () => {
  const text = (type: string) => ({ type, charset: 'latin1', collation: 'latin1_german2_ci' })
  const plain = (type: string) => ({ type, charset: null, collation: null })

  it.each([
    [plain('bigint'), '18446744073709551615', 'CAST(`k` AS BINARY)', '?', '18446744073709551615'],
    [plain('decimal'), '-12.3400', 'CAST(`k` AS BINARY)', '?', '-12.3400'],
    [plain('float'), '1.100000023841858', 'CAST(`k` + 0e0 AS BINARY)', '?', '1.100000023841858e0'],
    [plain('double'), '1e308', 'CAST(`k` + 0e0 AS BINARY)', '?', '1e308'],
    [plain('double'), '1e+30', 'CAST(`k` + 0e0 AS BINARY)', '?', '1e+30'],
    [plain('double'), '-2.5e-7', 'CAST(`k` + 0e0 AS BINARY)', '?', '-2.5e-7'],
    [plain('bit'), '5', 'CAST(CAST(`k` AS UNSIGNED) AS BINARY)', '?', '5'],
    [text('enum'), '2', 'CAST(`k` + 0 AS BINARY)', '?', '2'],
    [text('set'), '3', 'CAST(`k` + 0 AS BINARY)', '?', '3'],
    [plain('datetime'), '2024-01-01 00:00:00.000001', 'CAST(CAST(`k` AS CHAR) AS BINARY)', '?', undefined],
    [text('varchar'), 'a', 'CAST(`k` AS BINARY)', '_latin1 ? COLLATE latin1_german2_ci', undefined],
    [plain('varbinary'), 'a', '`k`', '?', undefined],
  ])('of %j compares %s', (column, key, selected, sql, literal) => {
    const form = keyForm('`k`', column)
    const parameters = new Parameters(() => '?')
    expect(form?.selected).toBe(selected)
    expect(form?.value(Buffer.from(key), parameters)).toBe(sql)
    if (literal !== undefined)
      expect((parameters.values[0] as { toSqlString(): string }).toSqlString()).toBe(literal)
    else expect(String(parameters.values[0])).toBe(key)
  })

  it.each(['geometry', 'json', 'vector', 'point', 'something new'])('is unknown for %s', (type) => {
    expect(keyForm('`k`', plain(type))).toBeUndefined()
  })

  it.each([
    { type: 'varchar', charset: null, collation: 'latin1_bin' },
    { type: 'varchar', charset: 'latin1', collation: null },
  ])('is unknown for a text of which %j is all that is known', (column) => {
    expect(keyForm('`k`', column)).toBeUndefined()
  })

  it('takes nothing but a number for a number', () => {
    const form = keyForm('`k`', plain('int'))
    expect(() => form?.value(Buffer.from('1 OR 1=1'), new Parameters(() => '?'))).toThrow(RangeError)
  })
})
