import { type RowsLayout } from '../../../../src/dialects/column-layout'
import { checkStored, findAltered } from '../../../../src/dialects/rows/check-stored'
import { type Change, type ColumnRow } from '../../../../src/dialects/rows/column-rows'

const layout = {
  name: '"secret"',
  type: 'varchar(40)',
  place: { entity: 'User', property: 'secret' },
} as RowsLayout

const row = (id: number, stored: Buffer | string, beside?: ColumnRow['beside']): ColumnRow => ({
  key: [id],
  id: `n${id}`,
  stored,
  ...(beside && { beside }),
  primaryKey: () => ({ id }),
})
const change = (id: number, value: Buffer | string, beside?: Change['beside']): Change => ({
  row: row(id, 'before'),
  value,
  ...(beside && { beside }),
})
const bytes = (text: string): Buffer => Buffer.from(text)

describe('What the database stored', () => {
  it.each<[string, Change[], ColumnRow[]]>([
    ['in each row', [change(1, 'a'), change(2, 'b')], [row(2, 'b'), row(1, 'a')]],
    ['as bytes of the text', [change(1, 'ü')], [row(1, bytes('ü'))]],
    ['with its index', [change(1, 'a', [bytes('i')])], [row(1, 'a', [bytes('i')])]],
    ['with an index that has no value', [change(1, 'a', [null])], [row(1, 'a', [null])]],
    ['without indexes that nobody sent', [change(1, 'a')], [row(1, 'a', [bytes('i')])]],
    ['with no rows at all', [], []],
  ])('is what was sent: %s', (_, changes, stored) => {
    expect(findAltered(changes, stored)).toBeUndefined()
  })

  it.each<[string, Change[], ColumnRow[], number]>([
    ['another value', [change(1, 'a'), change(2, 'b')], [row(1, 'a'), row(2, 'c')], 2],
    ['the value of another row', [change(1, 'a'), change(2, 'b')], [row(1, 'b'), row(2, 'b')], 1],
    ['no value', [change(1, 'a')], [], 1],
    ['no row with an index', [change(1, 'a', ['i'])], [], 1],
    ['another index', [change(1, 'a', ['i'])], [row(1, 'a', ['j'])], 1],
    ['no index', [change(1, 'a', ['i'])], [row(1, 'a', [null])], 1],
    ['an index where there is to be none', [change(1, 'a', [null])], [row(1, 'a', ['i'])], 1],
    ['another second index', [change(1, 'a', ['i', 'j'])], [row(1, 'a', ['i', 'i'])], 1],
    ['indexes of which it gives none', [change(1, 'a', ['i'])], [row(1, 'a')], 1],
  ])('is something else: %s', (_, changes, stored, id) => {
    expect(findAltered(changes, stored)?.row.id).toBe(`n${id}`)
  })

  it.each([
    [['touch'], 'the trigger touch: have it leave'],
    [['touch', 'log'], 'the triggers touch, log: have them leave'],
    [[], 'varchar(40)'],
  ])('is an error that names row, column and cause: %j', async (triggers, cause) => {
    const error: unknown = await checkStored(layout, [change(7, 'a')], [row(7, 'b')], () => triggers).catch(
      (each: unknown) => each,
    )
    expect(error).toMatchObject({
      code: 'VALUE_ALTERED',
      entity: 'User',
      property: 'secret',
      primaryKey: { id: 7 },
    })
    expect(String(error)).toContain('"secret"')
    expect(String(error)).toContain(cause)
  })

  it('asks for no triggers where nothing was altered', async () => {
    const triggers = (): never => {
      throw new Error('asked')
    }
    await expect(checkStored(layout, [change(1, 'a')], [row(1, 'a')], triggers)).resolves.toBeUndefined()
  })
})
