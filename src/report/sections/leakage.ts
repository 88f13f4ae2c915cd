import { type Segment, shareBar } from '../charts'
import { amount, type Html, markup, percent } from '../html'
import { type Report, type ReportedIndex, type ReportedLeakage } from '../report'
import { type Cell, table } from '../table'

const OF = {
  value: 'the value',
  normalized: 'the value after normalize',
  part: 'what a function makes of the value',
} as const

/** What blind indexes tell whoever reads the database. */
export function leakage({ columns }: Report): Html {
  const all = columns.flatMap(({ name, indexes }) =>
    indexes.map((index) => ({ ...index, of: OF[index.of], name: `${name}, ${index.name}` })),
  )
  if (all.length === 0)
    return markup`<p>No column has a blind index: nothing in the database tells which rows have equal values.</p>`
  return markup`<p>A blind index is a keyed hash. Without the key nothing tells the value of one, but equal values have equal indexes: whoever reads the database sees which rows are equal and how often each value occurs. A value that is one of few is known by its frequency. A unique index tells the least.</p>
<p>One bar for all rows that have an index: those whose value occurs once, those with a value of others, and those with the most frequent value.</p>${table(
    'Blind indexes, and what they tell',
    [
      { title: 'Index' },
      { title: 'Share' },
      { title: 'Hash of' },
      { title: 'Values without it', kind: 'number' },
      { title: 'Rows with it', kind: 'number' },
      { title: 'Different values', kind: 'number' },
      { title: 'Most frequent', kind: 'number' },
      { title: 'Bits told of a row', kind: 'number' },
    ],
    all.map((index): Cell[] => [
      index.name + (index.isUnique ? ' (unique)' : ''),
      index.leakage ? shareBar(index.name, segmentsOf(index.leakage)) : '',
      index.of,
      missingIn(index),
      ...measured(index.leakage),
    ]),
  )}${advice(all)}`
}

function segmentsOf({ rows, mostFrequent, alone }: ReportedLeakage): Segment[] {
  const most = mostFrequent > 1 ? mostFrequent : 0
  return [
    { name: 'occur once', kind: 'sealed', value: alone },
    { name: 'have the value of others', kind: 'other', value: rows - alone - most },
    { name: 'have the most frequent value', kind: 'clear', value: most },
  ]
}

function missingIn({ missing, isFilling }: Pick<ReportedIndex, 'missing' | 'isFilling'>): string {
  if (missing === undefined) return 'not known'
  return amount(missing) + (isFilling ? ', being filled' : '')
}

function measured(leak: ReportedLeakage | undefined): string[] {
  if (!leak) return ['not measured', 'not measured', 'not measured', 'not measured']
  const { rows, distinct, mostFrequent, bits } = leak
  return [amount(rows), amount(distinct), percent(mostFrequent, rows), bits.toFixed(1)]
}

function advice(indexes: readonly Pick<ReportedIndex, 'name' | 'leakage'>[]): Html {
  const told = indexes.flatMap(({ name, leakage }) => (leakage ? [{ name, advice: leakage.advice }] : []))
  return markup`${told.map(
    ({ name, advice }) =>
      markup`<h3>${name}</h3><ul>${advice.map((text) => markup`<li>${text}</li>`)}</ul>\n`,
  )}`
}
