import { amount, count, type Html, markup, percent } from '../html'
import { type Report, type ReportedColumn, type ReportedIndex } from '../report'
import { type Cell, facts, table } from '../table'

/** How each column is encrypted. */
export function settings({ columns }: Report): Html {
  return markup`${columns.map((column) => markup`<section class="card"><h3>${column.name}</h3>${factsOf(column)}</section>\n`)}`
}

function factsOf(column: ReportedColumn): Html {
  const { mode, dataKeys, kmsKey, context, keyPer, boundToRow, indexes, previousSettings } = column
  const pairs = [
    ...Object.entries(context).map(([name, value]) => `${name} = ${value}`),
    ...keyPer.map((name) => `${name} of the row`),
  ]
  const kept = { inline: 'carried by each value', stored: 'in a table', none: 'none' }[dataKeys]
  return facts([
    [
      'in the database',
      markup`<code>${column.table}.${column.column}</code>${column.databaseType ? `, ${column.databaseType}` : ''}`,
    ],
    ['type of the value', column.valueType],
    [
      'mode',
      mode === 'envelope' ? 'envelope: AES-256-GCM under a data key' : 'direct: KMS encrypts each value',
    ],
    ['data keys', kept],
    ['KMS key of new values', markup`<code>${kmsKey ?? 'named by a function of the context'}</code>`],
    ['encryption context', pairs.join(', ')],
    ['bound to', ['table and column', ...boundToRow.map((name) => `${name} of the row`)].join(', ')],
    ['blind indexes', indexes.map(nameOf).join(', ') || 'none'],
    ['plaintext when reading', column.acceptsPlaintext ? 'let through (acceptPlaintext)' : 'refused'],
    ['new values', column.mayWritePlaintext ? 'may be stored in clear (writes)' : 'encrypted'],
    ['earlier settings', previousSettings === 0 ? undefined : count(previousSettings, 'setting')],
  ])
}

function nameOf({ name, column, isUnique }: ReportedIndex): string {
  return `${name} in ${column}${isUnique ? ', unique' : ''}`
}

const OF = {
  value: 'the value',
  normalized: 'the value after normalize',
  part: 'what a function makes of the value',
} as const

/** What blind indexes tell whoever reads the database. */
export function leakage({ columns }: Report): Html {
  const rows = columns.flatMap(({ name, indexes }) =>
    indexes.map((index): Cell[] => [
      `${name}, ${index.name}`,
      OF[index.of],
      index.isUnique ? 'yes' : 'no',
      missingIn(index),
      ...measured(index),
    ]),
  )
  if (rows.length === 0)
    return markup`<p>No column has a blind index: nothing in the database tells which rows have equal values.</p>`
  return markup`<p>A blind index is a keyed hash. Without the key nothing tells the value of one, but equal values have equal indexes: whoever reads the database sees which rows are equal and how often each value occurs. A value that is one of few is known by its frequency. A unique index tells the least.</p>${table(
    'Blind indexes, and what they tell',
    [
      { title: 'Index' },
      { title: 'Hash of' },
      { title: 'Unique' },
      { title: 'Values without it', kind: 'number' },
      { title: 'Different values', kind: 'number' },
      { title: 'Share of the most frequent', kind: 'number' },
    ],
    rows,
  )}`
}

function missingIn({ missing, isFilling }: ReportedIndex): string {
  if (missing === undefined) return 'not known'
  return amount(missing) + (isFilling ? ', being filled' : '')
}

function measured({ leakage }: ReportedIndex): [string, string] {
  if (!leakage) return ['not measured', 'not measured']
  const { rows, distinct, mostFrequent } = leakage
  return [`${distinct.toLocaleString('en')} in ${count(rows, 'row')}`, percent(mostFrequent, rows)]
}
