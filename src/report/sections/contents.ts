import { type Segment, shareBar } from '../charts'
import { amount, type Html, markup } from '../html'
import { type Report, type ReportedColumn, type ReportedRows } from '../report'
import { type Cell, table } from '../table'

const LEGEND = [
  ['sealed', 'encrypted'],
  ['clear', 'in clear'],
  ['null', 'NULL'],
  ['bad', 'lost or of unknown format'],
  ['other', 'forgotten, or of other programs'],
] as const

/** What the rows hold, column by column: a picture, and the numbers. */
export function contents({ columns }: Report): Html {
  return markup`<p>One bar for all rows of a column. No value was read for this: the database counted rows by their first bytes.</p>
<ul class="legend" aria-label="Colours">${LEGEND.map(
    ([kind, name]) =>
      markup`<li><svg viewBox="0 0 10 10" aria-hidden="true"><rect class="fill-${kind}" width="10" height="10" /></svg>${name}</li>`,
  )}</ul>
${table(
  'Rows of each column by what they hold',
  [
    { title: 'Column' },
    { title: 'Share' },
    ...['Rows', 'Encrypted', 'In clear', 'NULL', 'Other'].map((title) => ({
      title,
      kind: 'number' as const,
    })),
  ],
  columns.map(rowOf),
)}
${notes(columns)}`
}

function rowOf({ name, holds }: ReportedColumn): Cell[] {
  if (!holds) return [name, 'could not be looked at', '', '', '', '', '']
  const other = holds.bare + holds.forgotten + holds.lost + holds.unknown
  const numbers = [holds.rows, holds.encrypted, holds.plaintext, holds.null, other]
  return [name, shareBar(name, segmentsOf(holds)), ...numbers.map(amount)]
}

function segmentsOf(holds: ReportedRows): Segment[] {
  return [
    { name: 'encrypted', kind: 'sealed', value: holds.encrypted },
    { name: 'in clear', kind: 'clear', value: holds.plaintext },
    { name: 'lost or of unknown format', kind: 'bad', value: holds.lost + holds.unknown },
    { name: 'forgotten, or of other programs', kind: 'other', value: holds.forgotten + holds.bare },
    { name: 'NULL', kind: 'null', value: holds.null },
  ]
}

/** What the table has no room for. */
function notes(columns: readonly ReportedColumn[]): Html {
  const said = columns.flatMap(({ name, holds, unseen }) => [
    ...(unseen === undefined ? [] : [`${name}: ${unseen}`]),
    ...(holds ? remarks(name, holds) : []),
  ])
  return said.length === 0 ? markup`` : markup`<ul>${said.map((text) => markup`<li>${text}</li>`)}</ul>`
}

function remarks(name: string, holds: ReportedRows): string[] {
  const all: [number, string][] = [
    [holds.bare, 'ciphertexts that another program made with KMS itself'],
    [holds.forgotten, 'values that were forgotten: their data keys were destroyed on purpose'],
    [holds.lost, 'values of which the data key is not in the key table'],
    [holds.unknown, 'values of a format that this release does not know'],
    [holds.plaintextInHistory, 'earlier versions of rows that hold plaintext, in the history of the table'],
  ]
  return all.filter(([rows]) => rows > 0).map(([rows, what]) => `${name}: ${amount(rows)} ${what}`)
}
