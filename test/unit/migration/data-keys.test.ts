import { contextHash, contextText, type StoredDataKey } from '../../../src/cipher/data-keys/store'
import { type ColumnContext, hasPairs, ownDataKeys } from '../../../src/migration/data-keys/column-contexts'
import { type ForgottenColumn } from '../../../src/migration/data-keys/forget-count'
import { described, remainsOf } from '../../../src/migration/data-keys/forget-report'
import { namedAs } from '../../../src/migration/data-keys/named-data-keys'
import { type BoundColumn } from '../../../src/orm/bound-column'
import { type RowContext } from '../../../src/orm/recipe'

const createdAt = new Date('2026-01-02')

function rowOf(context: Record<string, string>, more: Partial<StoredDataKey> = {}): StoredDataKey {
  return {
    id: Buffer.alloc(16, 7),
    purpose: 'value',
    contextHash: contextHash(context),
    context: contextText(context),
    keyReference: 'arn:1',
    encrypted: new Uint8Array(200) as StoredDataKey['encrypted'],
    createdAt,
    retiredAt: undefined,
    destroyAt: undefined,
    destroyedAt: undefined,
    ...more,
  }
}

const one = { name: 'one' } as BoundColumn
const other = { name: 'other' } as BoundColumn
const contextOf = (
  column: BoundColumn,
  fixed: Record<string, string>,
  ...perRow: string[]
): ColumnContext => ({
  column,
  fixed,
  direct: fixed,
  perRow: perRow.map((name) => ({ name })) as unknown as RowContext['perRow'],
})

describe('the data keys of columns', () => {
  it('are those of their contexts, each with the first column that has it', () => {
    const row = rowOf({ app: 'a' })
    const contexts = [
      contextOf(one, { app: 'b' }),
      contextOf(one, { app: 'a' }),
      contextOf(one, { app: 'a' }),
      contextOf(other, { app: 'a' }),
    ]
    expect(ownDataKeys([row, rowOf({ app: 'c' })], contexts)).toEqual([
      { row, context: { app: 'a' }, column: one },
    ])
    expect(ownDataKeys([row], [])).toEqual([])
  })

  it('have the values of rows from the key table, and all else from the settings', () => {
    const context = { app: 'a', tenant: '42' }
    const row = rowOf(context)
    expect(ownDataKeys([row], [contextOf(one, { app: 'a' }, 'tenant')])).toEqual([
      { row, context, column: one },
    ])
    // More than what the setting asks for is not passed on.
    const forged = rowOf(context, { context: JSON.stringify({ ...context, role: 'admin' }) })
    expect(ownDataKeys([forged], [contextOf(one, { app: 'a' }, 'tenant')])).toMatchObject([{ context }])
    expect(ownDataKeys([row], [contextOf(one, { app: 'b' }, 'tenant')])).toEqual([])
  })

  it.each<[string, string | undefined]>([
    ['another value', '{"app":"a","tenant":"43"}'],
    ['none of the value', '{"app":"a"}'],
    ['a number', '{"app":"a","tenant":42}'],
    ['null', 'null'],
    ['a text', '"tenant"'],
    ['no JSON', '{'],
    ['nothing, since it was emptied', undefined],
  ])('are not those of a row that says %s', (_, context) => {
    const row = rowOf({ app: 'a', tenant: '42' }, { context })
    expect(ownDataKeys([row], [contextOf(one, { app: 'a' }, 'tenant')])).toEqual([])
  })

  it('are not those of a row that says one of two values', () => {
    const row = rowOf({ tenant: '42', town: 'x' }, { context: '{"tenant":"42"}' })
    expect(ownDataKeys([row], [contextOf(one, {}, 'tenant', 'town')])).toEqual([])
  })

  it('whose contexts do not depend on the row need no text in the key table', () => {
    const row = rowOf({ app: 'a' }, { context: undefined })
    expect(ownDataKeys([row], [contextOf(one, { app: 'a' })])).toHaveLength(1)
  })

  it.each([
    [{}, true],
    [{ app: 'a' }, true],
    [{ app: 'a', tenant: '42' }, true],
    [{ app: 'b' }, false],
    [{ app: 'a', tenant: '43' }, false],
    [{ other: 'a' }, false],
  ])('have the pairs %j: %p', (pairs, expected) => {
    expect(hasPairs({ app: 'a', tenant: '42' }, pairs as Record<string, string>)).toBe(expected)
  })

  it('are there, or were destroyed on purpose', () => {
    expect(namedAs(rowOf({}))).toMatchObject({ state: 'there' })
    expect(namedAs(rowOf({}, { destroyedAt: new Date() }))).toMatchObject({ state: 'forgotten' })
    expect(namedAs(rowOf({}, { encrypted: undefined }))).toMatchObject({ state: 'forgotten' })
  })
})

describe('the report of forgetting', () => {
  const columnOf = (inline: number): ForgottenColumn => ({
    entity: 'User',
    property: 'secret',
    rows: 1,
    history: 0,
    inline,
    indexes: [],
  })

  it('describes data keys, and nothing that opens', () => {
    const row = rowOf({ app: 'a' })
    expect(described([{ row, context: { app: 'a' }, column: one }])).toEqual([
      { id: '07'.repeat(16), purpose: 'value', context: { app: 'a' }, kmsKey: 'arn:1', createdAt },
    ])
  })

  it.each<[string, ForgottenColumn[], madeMeanwhile: number, isContextKept: boolean, RegExp[]]>([
    ['backups and copies', [], 0, false, []],
    ['the context as text', [], 0, true, [/^The rows stay in kms_data_key.*--empty-context/]],
    [
      'values that carry their data keys',
      [columnOf(2), columnOf(0), columnOf(3)],
      0,
      false,
      [/^5 values of the context carry/],
    ],
    ['what was made meanwhile', [columnOf(0)], 2, false, [/^2 data keys of the context were made meanwhile/]],
    ['one of each', [columnOf(1)], 1, true, [/^The rows stay/, /^1 values/, /^1 data keys/]],
  ])('says that it does not reach %s', (_, columns, madeMeanwhile, isContextKept, expected) => {
    const remains = remainsOf({ keyTable: 'kms_data_key', columns, madeMeanwhile }, isContextKept)
    expect(remains).toEqual(
      [/^Backups, .* of kms_data_key still have/, /^Copies of plaintexts/, ...expected].map(
        (each) => expect.stringMatching(each) as unknown,
      ),
    )
  })
})
