import { RowsLeftOutError } from '../errors'
import { type ColumnRow, type ColumnRows } from '../dialects/rows/column-rows'
import { type KeyPage } from '../dialects/rows/key-order'

/** Rows counted at once. */
const COUNTED_AT_ONCE = 500
/** How often rows are counted again where others write meanwhile and no moment can be held. */
const MAX_COUNTS = 3

/**
 * The rows of a column in pages, each after the last row of the one before. Throws `RowsLeftOutError` if the keys come
 * round again: then the database does not compare them as it sorts them, and the pages would never end.
 */
export async function* pagesOf(
  rows: ColumnRows,
  next: () => Omit<KeyPage, 'after'>,
): AsyncGenerator<readonly ColumnRow[]> {
  let after: readonly unknown[] | undefined
  // One key is remembered, and another each time that the number of pages has doubled: sooner or later one of a circle.
  let remembered: string | undefined
  let renewAt = 1
  for (let pages = 0; ; pages++) {
    const page = await rows.page({ ...next(), after })
    const last = page.at(-1)
    if (!last) return
    if (last.id === remembered) throw leftOut(rows, 'its rows come round again')
    if (pages === renewAt) {
      remembered = last.id
      renewAt *= 2
    }
    after = last.key
    yield page
  }
}

/** How many rows there were before and after a pass, and how many it saw. */
export interface Counts {
  before: number
  seen: number
  after: number
}

/**
 * Throws `RowsLeftOutError` if a pass saw another number of rows than there are. Where others delete and insert
 * meanwhile the numbers differ, too: then the rows are counted once more in pages, at one moment, and the database has
 * to agree with that.
 */
export async function checkCounts(rows: ColumnRows, counts: Counts, shard: KeyPage['shard']): Promise<void> {
  const { before, seen, after } = counts
  await rows.checkOrder()
  if (seen >= Math.min(before, after) && seen <= Math.max(before, after)) return
  for (let attempt = 1; ; attempt++) {
    const { counted, met } = await rows.inSnapshot(() => countAgain(rows, shard))
    if (counted === met) return
    if (attempt === MAX_COUNTS) throw leftOut(rows, `the database counts ${counted}, and ${met} were met`)
  }
}

async function countAgain(
  rows: ColumnRows,
  shard: KeyPage['shard'],
): Promise<{ counted: number; met: number }> {
  const counted = await rows.count(shard)
  let met = 0
  for await (const page of pagesOf(rows, () => ({ limit: COUNTED_AT_ONCE, shard, keysOnly: true }))) {
    // Found by its key, too, as it is when it is to be written.
    met += (await rows.again(page)).length
  }
  return { counted, met }
}

function leftOut({ layout }: ColumnRows, what: string): RowsLeftOutError {
  const keys = layout.keys.map(({ sql, type }) => `${sql} ${type}`).join(', ')
  return new RowsLeftOutError(
    `not all rows of the table were met in the order of its primary key (${keys}): ${what}. The database does not compare the key as it sorts it. Give the table a key of another type, or declare another unique column as the primary key for this run.`,
    layout.place,
  )
}
