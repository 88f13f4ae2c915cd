import { type ColumnRow, type ColumnRows } from '../../../src/dialects/rows/column-rows'
import { checkCounts, pagesOf } from '../../../src/migration/pages'

const row = (id: number): ColumnRow => ({ key: [id], id: `t${id}`, stored: '', primaryKey: () => ({ id }) })

/** Rows of a database that answers as it is told to. */
function rowsWith(answers: Partial<ColumnRows>): ColumnRows {
  return {
    layout: { keys: [{ sql: 'id', type: 'float' }], place: { entity: 'User', property: 'secret' } },
    checkOrder: () => Promise.resolve(),
    inSnapshot: <T>(work: () => Promise<T>) => work(),
    again: (rows: readonly ColumnRow[]) => Promise.resolve([...rows]),
    ...answers,
  } as ColumnRows
}

/** Pages of a database that holds these ids, and compares them as `isAfter` says. */
function pagesWith(ids: readonly number[], isAfter: (id: number, after: number) => boolean) {
  return ({ after, limit }: { after: readonly unknown[] | undefined; limit: number }): Promise<ColumnRow[]> =>
    Promise.resolve(
      ids
        .filter((id) => after === undefined || isAfter(id, Number(after[0])))
        .slice(0, limit)
        .map(row),
    )
}

async function seen(rows: ColumnRows, limit: number): Promise<string[]> {
  const ids: string[] = []
  for await (const page of pagesOf(rows, () => ({ limit }))) ids.push(...page.map(({ id }) => id))
  return ids
}

describe('pages of rows', () => {
  const ids = Array.from({ length: 23 }, (_, index) => index)

  it.each([1, 2, 7, 23, 100])('meet each row once, %d at a time', async (limit) => {
    const rows = rowsWith({ page: pagesWith(ids, (id, after) => id > after) })
    expect(await seen(rows, limit)).toEqual(ids.map((id) => `t${id}`))
  })

  it.each([
    ['the cursor does not advance', (id: number, after: number) => id >= after, 1],
    ['all rows come after each', () => true, 5],
    ['rows come round in a circle', (id: number, after: number) => id === (after + 1) % 23, 1],
  ] as const)('end with an error where %s', async (_, isAfter, limit) => {
    const rows = rowsWith({ page: pagesWith(ids, isAfter) })
    await expect(seen(rows, limit)).rejects.toMatchObject({ code: 'ROWS_LEFT_OUT', entity: 'User' })
  })
})

describe('the counts of a pass', () => {
  const faithful = rowsWith({
    page: pagesWith([1, 2, 3], (id, after) => id > after),
    count: () => Promise.resolve(3),
  })
  const skipping = rowsWith({
    page: pagesWith([1, 3], (id, after) => id > after),
    count: () => Promise.resolve(3),
  })
  const losing = rowsWith({
    page: pagesWith([1, 2, 3], (id, after) => id > after),
    count: () => Promise.resolve(3),
    again: (rows) => Promise.resolve(rows.slice(1)),
  })

  it.each<[before: number, seen: number, after: number, counted: number]>([
    [3, 3, 3, 0],
    [3, 3, 5, 0],
    [3, 4, 5, 0],
    [3, 5, 5, 0],
    [5, 5, 3, 0],
    [5, 4, 3, 0],
    [5, 3, 3, 0],
    [3, 2, 5, 1],
    [3, 6, 5, 1],
    [5, 2, 3, 1],
    [5, 6, 3, 1],
  ])('say of %d, %d and %d rows whether they are to be counted again', async (before, seen, after, times) => {
    const recount = jest.spyOn(faithful, 'inSnapshot')
    await checkCounts(faithful, { before, seen, after }, undefined)
    expect(recount).toHaveBeenCalledTimes(times)
    recount.mockRestore()
  })

  it.each([
    ['agree', { before: 3, seen: 3, after: 3 }],
    ['differ by rows that were added', { before: 3, seen: 4, after: 5 }],
    ['differ by rows that were deleted', { before: 5, seen: 4, after: 3 }],
    ['differ by rows that were deleted and added, and all can be met', { before: 3, seen: 2, after: 3 }],
  ])('are right where they %s', async (_, counts) => {
    await expect(checkCounts(faithful, counts, undefined)).resolves.toBeUndefined()
  })

  it('are an error where rows cannot be met', async () => {
    const counts = { before: 3, seen: 2, after: 3 }
    const error = await checkCounts(skipping, counts, undefined).catch((each: unknown) => each)
    expect(error).toMatchObject({ code: 'ROWS_LEFT_OUT', entity: 'User', property: 'secret' })
    expect(String(error)).toContain('the database counts 3, and 2 were met')
  })

  it('are right where they agree once others have stopped, for which they are counted three times', async () => {
    const afterwards = (times: number) => {
      let counts = 0
      return rowsWith({
        page: pagesWith([1, 2, 3], (id, after) => id > after),
        count: () => Promise.resolve(++counts <= times ? 4 : 3),
      })
    }
    const counts = { before: 3, seen: 2, after: 3 }
    await expect(checkCounts(afterwards(2), counts, undefined)).resolves.toBeUndefined()
    await expect(checkCounts(afterwards(3), counts, undefined)).rejects.toMatchObject({
      code: 'ROWS_LEFT_OUT',
    })
  })

  it('are an error where rows are met and not found by their key', async () => {
    const counts = { before: 3, seen: 0, after: 3 }
    await expect(checkCounts(losing, counts, undefined)).rejects.toMatchObject({ code: 'ROWS_LEFT_OUT' })
  })
})
