import { asPlaintext } from '../../../../src/cipher/bytes'
import { InvalidValueError } from '../../../../src/errors'
import { LeftRows } from '../../../../src/orm/read/left-rows'
import { type EncryptedResult, type Row } from '../../../../src/orm/read/result-columns'
import { type RowValues } from '../../../../src/orm/recipe'

const scheme = {}

/** A column of a result whose values are bound to `id`, and open to text that names it. */
function resultNamed(name: string, cell = 'user.secret'): EncryptedResult {
  const column = {
    cell,
    scheme,
    storedIfDelivered: (value: unknown) => (Buffer.isBuffer(value) ? value : undefined),
    recipes: { constant: undefined },
    recipeOfStored(row: RowValues) {
      if (row('id') === 'none') throw new InvalidValueError('is bound to id')
      return { scopes: [row('id')] }
    },
    opener: {
      openNow: (stored: Buffer, [id]: [string]) => asPlaintext(Buffer.from(`${stored.toString()} of ${id}`)),
    },
  }
  return { name, column, rowName: (other: string) => `u_${other}` } as unknown as EncryptedResult
}

const rowsWith = (...ids: string[]): Row[] => ids.map((u_id) => ({ u_id, u_secret: Buffer.from('same') }))

function open(left: LeftRows | undefined, value: unknown, cell = 'user.secret'): string {
  return String(left?.get(cell, value as object)?.opened)
}

describe('Rows that are left to hydration', () => {
  const rows = rowsWith('1', '2', '3', '4')
  const values = rows.map((row) => row['u_secret'])
  const left = () => LeftRows.of([resultNamed('u_secret')], rows)

  it.each([
    ['in their order', [0, 1, 2, 3]],
    ['backwards', [3, 2, 1, 0]],
    ['with gaps, and again', [1, 3, 3, 0, 1, 2]],
  ])('open equal values each for its own row, %s', (_, order) => {
    const asked = left()
    for (const at of order) expect(open(asked, values[at])).toBe(`same of ${at + 1}`)
  })

  it('know nothing of values of other results, other columns, and texts', () => {
    const asked = left()
    expect(asked?.get('user.secret', Buffer.from('same'))).toBeUndefined()
    expect(asked?.get('user.other', values[0] as Buffer)).toBeUndefined()
    expect(asked?.get('user.secret', 'same')).toBeUndefined()
    expect(asked?.get('user.secret', values[0] as Buffer, {} as never)).toBeUndefined()
    expect(open(asked, values[0])).toBe('same of 1')
  })

  it('know nothing of what can be no ciphertext', () => {
    const value: unknown = new Date()
    const asked = LeftRows.of([resultNamed('u_secret')], [{ u_id: '1', u_secret: value }])
    expect(asked?.get('user.secret', value as Date)).toBeUndefined()
  })

  it('tell two columns of one table apart, as in a join of it with itself', () => {
    const joined = rows.map((row, at) => ({ ...row, p_id: `parent ${at}`, p_secret: Buffer.from('parent') }))
    const parent = { ...resultNamed('p_secret'), rowName: (other: string) => `p_${other}` }
    const asked = LeftRows.of([resultNamed('u_secret'), parent], joined)
    expect(open(asked, joined[2]?.p_secret)).toBe('parent of parent 2')
    expect(open(asked, values[2])).toBe('same of 3')
  })

  it('keep why a row has no recipe', () => {
    const [row] = rowsWith('none')
    const asked = LeftRows.of([resultNamed('u_secret')], row ? [row] : [])
    expect(asked?.get('user.secret', row?.['u_secret'] as Buffer)?.opened).toBeInstanceOf(InvalidValueError)
  })

  it('are not kept where nothing is bound to a row', () => {
    const result = resultNamed('u_secret')
    Object.assign(result.column.recipes, { constant: {} })
    expect(LeftRows.of([result], rows)).toBeUndefined()
  })
})
