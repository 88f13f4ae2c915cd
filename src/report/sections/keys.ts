import { columnChart, shareBar } from '../charts'
import { amount, count, day, type Html, markup } from '../html'
import { type Report, type ReportedKeyTable } from '../report'
import { type Cell, facts, table } from '../table'

/** Months that the chart of ages has room for; what is older is one bar. */
const MONTHS = 12

/** Rows of a table: with a KMS key per tenant there may be thousands. `--json` has all. */
const LISTED = 100

/** KMS keys with the rows under them, stored data keys with their age. */
export function keys(report: Report): Html {
  return markup`${kmsKeys(report)}${underKeys(report)}${dataKeys(report)}`
}

function kmsKeys({ kmsKeys }: Report): Html {
  const all = kmsKeys.reduce((sum, { rows }) => sum + rows, 0)
  return markup`<h3>KMS keys</h3>${table(
    'KMS keys that columns use, and those that values are under',
    [
      { title: 'Key' },
      { title: 'State' },
      { title: 'Rotation' },
      { title: 'Created', kind: 'date' },
      { title: 'New values of' },
      { title: 'Values under it', kind: 'number' },
      { title: 'Share' },
    ],
    kmsKeys
      .slice(0, LISTED)
      .map(({ name, aliases, state, rotation, created, deletion, rows, configuredFor }): Cell[] => [
        markup`${aliases.join(', ')} <code>${name}</code>`,
        deletion ? `${state ?? ''}, to be deleted on ${day(deletion)}` : (state ?? 'not known'),
        rotation ?? 'not known',
        day(created),
        configuredFor.length > 5 ? `${configuredFor.length} columns` : configuredFor.join(', ') || 'none',
        amount(rows),
        shareBar(name, [
          { name: 'under it', kind: 'sealed', value: rows },
          { name: 'under others', kind: 'none', value: all - rows },
        ]),
      ]),
  )}${moreThanListed(kmsKeys.length, 'KMS key')}`
}

function moreThanListed(all: number, what: string): Html {
  const more = all - LISTED
  return more <= 0
    ? markup``
    : markup`<p>And ${count(more, `more ${what}`)}; typeorm-kms report --json has all.</p>`
}

function underKeys({ columns }: Report): Html {
  const all = columns.flatMap(({ name, holds }) => (holds?.keys ?? []).map((key) => ({ name, ...key })))
  const rows = all
    .slice(0, LISTED)
    .map(({ name, mode, kmsKey, rows, dataKeys, oldest, newest }): Cell[] => [
      name,
      mode,
      markup`<code>${kmsKey}</code>`,
      dataKeys === undefined ? (mode === 'direct' ? 'none' : 'in the values') : amount(dataKeys),
      day(oldest),
      day(newest),
      amount(rows),
    ])
  if (rows.length === 0) return markup`<p>There are no encrypted values.</p>`
  return markup`<h3>Values by key</h3><p>Stored data keys stand in a table that says when each was made. A value of the mode envelope carries its own data key, encrypted, and nothing in the database says how old that is.</p>${table(
    'Rows of each column under each KMS key',
    [
      { title: 'Column' },
      { title: 'Mode' },
      { title: 'KMS key' },
      { title: 'Data keys', kind: 'number' },
      { title: 'Oldest', kind: 'date' },
      { title: 'Newest', kind: 'date' },
      { title: 'Rows', kind: 'number' },
    ],
    rows,
  )}${moreThanListed(all.length, 'row')}`
}

function dataKeys({ columns, keyTable }: Report): Html {
  if (!keyTable) return markup``
  const months = new Map<string, number>()
  for (const { holds } of columns) {
    for (const [month, rows] of Object.entries(holds?.byMonth ?? {}))
      months.set(month, (months.get(month) ?? 0) + rows)
  }
  return markup`<h3>Stored data keys</h3>${tableFacts(keyTable)}${ages(months)}`
}

function tableFacts(found: ReportedKeyTable): Html {
  const days = (milliseconds: number): string => count(Math.round(milliseconds / 8_640_000) / 10, 'day')
  return facts([
    ['table', markup`<code>${found.name}</code>`],
    ['seal new values', amount(found.sealing)],
    ['open only', amount(found.openingOnly)],
    ['to be destroyed', amount(found.toBeDestroyed)],
    ['destroyed', amount(found.destroyed)],
    ['made', found.oldest && `${day(found.oldest)} to ${day(found.newest)}`],
    ['a new one after', days(found.maxAge)],
    ['seals on after it was retired for', `${amount(Math.round(found.lease / 1_000))} s at most`],
  ])
}

function ages(months: ReadonlyMap<string, number>): Html {
  if (months.size === 0) return markup``
  const sorted = Array.from(months, ([name, value]) => ({ name, value })).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )
  const early = sorted.slice(0, -MONTHS)
  const shown = sorted.slice(-MONTHS)
  const bars =
    early.length === 0
      ? shown
      : [{ name: 'before', value: early.reduce((sum, { value }) => sum + value, 0) }, ...shown]
  return markup`<p>Rows by the month in which their data key was made:</p>${columnChart('Rows by month of their data key', bars)}`
}
